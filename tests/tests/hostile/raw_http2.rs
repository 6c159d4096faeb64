//! HTTP/2 byte by byte (RFC 9113), as no library would send it.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::ends;

/// A frame that was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    /// One of the constants below, or another.
    pub(crate) kind: u8,
    /// 0 for the connection.
    pub(crate) stream: u32,
    /// What follows the head.
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// The error code of a frame that ends a stream or the connection.
    pub(crate) fn error_code(&self) -> Option<u32> {
        let code = match self.kind {
            RESET_STREAM => self.payload.first_chunk(),
            GO_AWAY => self.payload.get(4..)?.first_chunk(),
            _ => None,
        };
        code.map(|code| u32::from_be_bytes(*code))
    }
}

/// The bytes of a frame (§4.1).
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a frame is short").to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// The preface (§3.4) and the client's settings, each a number and a value.
pub(crate) fn opening(settings: &[(u16, u32)]) -> Vec<u8> {
    let mut payload = Vec::new();
    for (name, value) in settings {
        payload.extend(name.to_be_bytes());
        payload.extend(value.to_be_bytes());
    }
    [PREFACE.to_vec(), frame(SETTINGS, 0, 0, &payload)].concat()
}

/// The fields of a request without a body, in HPACK (RFC 7541): indexed ones, and literals that are not to be indexed.
pub(crate) fn fields(method: Method, path: &str) -> Vec<u8> {
    let scheme_http = 0x86;
    let (path_follows, authority_follows) = (0x04, 0x01);
    [&[method as u8, scheme_http, path_follows][..], &text(path), &[authority_follows], &text("localhost")].concat()
}

/// A method, by its place in HPACK's static table.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Method {
    Get = 0x82,
    Post = 0x83,
}

/// A string of HPACK that is not compressed (RFC 7541 §5.2).
pub(crate) fn text(value: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let length = value.len();
    if length < 127 {
        bytes.push(u8::try_from(length).expect("it is below 127"));
    } else {
        bytes.push(127);
        let mut rest = length - 127;
        while rest >= 128 {
            bytes.push(u8::try_from(rest % 128).expect("a remainder") + 128);
            rest /= 128;
        }
        bytes.push(u8::try_from(rest).expect("it is below 128"));
    }
    bytes.extend(value.as_bytes());
    bytes
}

/// Sends bytes over a connection of their own; the frames that come back until the server closes it.
pub(crate) async fn exchange(address: SocketAddr, bytes: Vec<u8>) -> Vec<Frame> {
    let stream = TcpStream::connect(address).await.expect("the host is reached");
    let (mut reader, mut writer) = stream.into_split();
    let writing = tokio::spawn(async move {
        // The server may close before it has read everything.
        let _ = writer.write_all(&bytes).await;
        writer
    });
    let mut received = Vec::new();
    // A reset is an end too, and leaves what came before it.
    let _ = ends("an HTTP/2 connection", reader.read_to_end(&mut received)).await;
    writing.abort();
    parse(&received)
}

fn parse(mut rest: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    while let Some((head, after)) = rest.split_first_chunk::<9>() {
        let [high, middle, low, kind, _flags, stream @ ..] = *head;
        let length = u32::from_be_bytes([0, high, middle, low]);
        let length = usize::try_from(length).expect("24 bits");
        let Some((payload, after)) = after.split_at_checked(length) else { break };
        frames.push(Frame { kind, stream: u32::from_be_bytes(stream), payload: payload.to_vec() });
        rest = after;
    }
    frames
}

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RESET_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GO_AWAY: u8 = 7;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// The setting of how many bytes of an answer the client takes before it has to allow more.
pub(crate) const INITIAL_WINDOW_SIZE: u16 = 4;

pub(crate) const REFUSED_STREAM: u32 = 7;
pub(crate) const CANCEL: u32 = 8;
pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;
