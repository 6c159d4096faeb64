//! An HTTP/1.1 client that sends exactly what it is told: any Host, any bytes in a header, any path.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// A request. Nothing in it is checked before it is sent.
#[derive(Debug, Clone)]
pub struct Request {
    method: String,
    path: Vec<u8>,
    headers: Vec<(Vec<u8>, Vec<u8>)>,
    body: Vec<u8>,
}

impl Request {
    /// A request without headers and body.
    pub fn new(method: &str, path: &str) -> Self {
        Request::to_raw_path(method, path.as_bytes())
    }

    /// A request to a path of arbitrary bytes.
    pub fn to_raw_path(method: &str, path: &[u8]) -> Self {
        Request { method: method.to_owned(), path: path.to_vec(), headers: Vec::new(), body: Vec::new() }
    }

    /// Sets a header, in place of those of the same name.
    pub fn header(self, name: &str, value: &str) -> Self {
        self.without(name).raw_header(name.as_bytes(), value.as_bytes())
    }

    /// Adds a header of arbitrary bytes beside those that are there.
    pub fn raw_header(mut self, name: &[u8], value: &[u8]) -> Self {
        self.headers.push((name.to_vec(), value.to_vec()));
        self
    }

    /// Sets a header unless it is there.
    pub fn header_if_missing(self, name: &str, value: &str) -> Self {
        let present = self.headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes()));
        if present { self } else { self.header(name, value) }
    }

    /// Takes a header away.
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name.as_bytes()));
        self
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets the method.
    pub fn method(mut self, method: &str) -> Self {
        self.method = method.to_owned();
        self
    }

    /// Sets the path.
    pub fn path(mut self, path: &str) -> Self {
        self.path = path.as_bytes().to_vec();
        self
    }

    /// Sets `Authorization: Bearer` with `key`.
    pub fn bearer(self, key: &str) -> Self {
        self.header("Authorization", &format!("Bearer {key}"))
    }

    /// The bytes on the wire. `Host`, `Content-Length` and `Connection: close` are added where they are missing; a
    /// body with a `Transfer-Encoding` is sent as it is.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{} ", self.method).into_bytes();
        bytes.extend_from_slice(&self.path);
        bytes.extend_from_slice(b" HTTP/1.1\r\n");
        let length = self.body.len().to_string();
        let mut added: Vec<(&[u8], &[u8])> = vec![(b"Host", b"localhost"), (b"Connection", b"close")];
        let chunked = self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(b"Transfer-Encoding"));
        if !chunked && (!self.body.is_empty() || self.method == "POST") {
            added.push((b"Content-Length", length.as_bytes()));
        }
        added.retain(|(name, _)| !self.headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)));
        let own = self.headers.iter().map(|(name, value)| (name.as_slice(), value.as_slice()));
        for (name, value) in added.into_iter().chain(own) {
            for part in [name, b": ", value, b"\r\n"] {
                bytes.extend_from_slice(part);
            }
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// An answer, read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Names as sent, and values.
    pub headers: Vec<(String, String)>,
    /// The body, without transfer encoding.
    pub body: Vec<u8>,
}

impl Answer {
    /// The first header of a name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; `Value::Null` when it is not.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The code of the JSON-RPC error in the body, if there is one.
    pub fn error_code(&self) -> Option<i64> {
        self.json().pointer("/error/code").and_then(Value::as_i64)
    }

    /// Everything that was received, as text: for asserting what must not be in it.
    pub fn everything(&self) -> String {
        format!("{:?}\n{}", self.headers, self.text())
    }
}

/// Sends `request` and reads the answer; `None` when the server closed the connection without one.
pub async fn send(address: SocketAddr, request: &Request) -> io::Result<Option<Answer>> {
    send_bytes(address, request.to_bytes()).await
}

/// The same from an address of this machine: all of 127.0.0.0/8 is.
pub async fn send_from(from: IpAddr, address: SocketAddr, request: &Request) -> io::Result<Option<Answer>> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(from, 0))?;
    exchange_over(socket.connect(address).await?, request.to_bytes()).await
}

/// Sends bytes that need not be HTTP.
pub async fn send_bytes(address: SocketAddr, bytes: Vec<u8>) -> io::Result<Option<Answer>> {
    exchange_over(TcpStream::connect(address).await?, bytes).await
}

/// Sends bytes over a connection that is there, and reads until it is closed.
pub async fn exchange_over<S>(stream: S, bytes: Vec<u8>) -> io::Result<Option<Answer>>
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    tokio::time::timeout(PATIENCE, exchange(stream, bytes)).await?
}

async fn exchange<S>(stream: S, bytes: Vec<u8>) -> io::Result<Option<Answer>>
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let (mut reader, mut writer) = tokio::io::split(stream);
    // The server may answer, and close, before it has read everything: a failed write is no failed exchange.
    let writing = tokio::spawn(async move {
        let written = writer.write_all(&bytes).await;
        (writer, written)
    });
    let mut received = Vec::new();
    let read = reader.read_to_end(&mut received).await;
    writing.abort();
    match (parse(&received), read) {
        (Some(answer), _) => Ok(Some(answer)),
        (None, Err(error)) if error.kind() != io::ErrorKind::ConnectionReset => Err(error),
        (None, _) => Ok(None),
    }
}

/// Reads an answer whose connection has been closed.
pub fn parse(received: &[u8]) -> Option<Answer> {
    let end = received.windows(4).position(|window| window == b"\r\n\r\n")?;
    let (head, rest) = received.split_at_checked(end + 4)?;
    let head = String::from_utf8_lossy(head).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    let mut answer = Answer { status, headers, body: rest.to_vec() };
    if answer.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
        answer.body = unchunk(rest)?;
    }
    Some(answer)
}

fn unchunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|window| window == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(rest.get(..end)?).ok()?, 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        let start = end + 2;
        body.extend_from_slice(rest.get(start..start + size)?);
        rest = rest.get(start + size + 2..)?;
    }
}

/// Longer than any deadline of the host, so that its answer comes first.
const PATIENCE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunked_answer_is_put_together() {
        let answer = parse(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n");
        assert_eq!(answer.expect("an answer").body, b"abcd");
    }

    #[test]
    fn a_host_that_was_given_is_the_only_one() {
        let bytes = Request::new("GET", "/").header("host", "other").to_bytes();
        assert_eq!(bytes, b"GET / HTTP/1.1\r\nConnection: close\r\nhost: other\r\n\r\n");
    }

    #[test]
    fn nothing_is_no_answer() {
        assert_eq!(parse(b""), None);
    }
}
