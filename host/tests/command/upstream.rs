//! A server in Plausible's place, on a loopback port of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

/// The address of the server, as a value of `PLAUSIBLE_BASE_URL`. It lives as long as the test process.
pub(crate) fn start(answer: impl Fn(&str) -> (u16, String) + Send + Sync + 'static) -> String {
    start_at(SocketAddr::from(([127, 0, 0, 1], 0)), answer)
}

/// The same at an address of one's choice.
pub(crate) fn start_at(address: SocketAddr, answer: impl Fn(&str) -> (u16, String) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind(address).expect("a loopback port");
    let address = listener.local_addr().expect("a bound listener has an address");
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let answer = Arc::clone(&answer);
            thread::spawn(move || serve(stream, &*answer));
        }
    });
    format!("http://{address}")
}

/// A Plausible that has one row for every question.
pub(crate) fn one_row(body: &str) -> (u16, String) {
    let query: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let count = |name: &str| query[name].as_array().map_or(0, Vec::len);
    let row =
        serde_json::json!({ "dimensions": vec!["/"; count("dimensions")], "metrics": vec![4711; count("metrics")] });
    let range = ["2026-07-01T00:00:00+02:00", "2026-07-07T23:59:59+02:00"];
    let answer = serde_json::json!({ "results": [row], "meta": {}, "query": { "date_range": range } });
    (200, answer.to_string())
}

fn serve(stream: TcpStream, answer: &(dyn Fn(&str) -> (u16, String) + Send + Sync)) {
    let mut writer = stream.try_clone().expect("a socket can be cloned");
    let mut reader = BufReader::new(stream);
    while let Some(body) = read_request(&mut reader) {
        let (status, body) = answer(&body);
        let length = body.len();
        let head = format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n");
        if writer.write_all(format!("{head}{body}").as_bytes()).is_err() {
            return;
        }
    }
}

fn read_request(reader: &mut BufReader<TcpStream>) -> Option<String> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) =
            line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        {
            length = value.trim().parse().unwrap_or_else(|_| panic!("{name}: {value}"));
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    String::from_utf8(body).ok()
}
