//! Whole requests: a line `METHOD target`, headers, an empty line, a body.

use super::super::message::Sent;
use super::super::world::World;

/// Whatever is sent to whichever path, the answer is nobody's fault or the caller's.
pub fn request(data: &[u8]) {
    let world = World::with_people();
    // A client id that is an address may be one whose document cannot be fetched.
    world.send_or(&read(&world.filled(data)), &[503]);
}

fn read(data: &[u8]) -> Sent {
    let mut rest = data;
    let first = String::from_utf8_lossy(line(&mut rest)).into_owned();
    let (method, target) = first.split_once(' ').unwrap_or(("GET", &first));
    let mut sent = Sent::new(method, target);
    loop {
        let field = line(&mut rest);
        let Some(colon) = field.iter().position(|byte| *byte == b':') else { break };
        let name = String::from_utf8_lossy(&field[..colon]).to_ascii_lowercase();
        let value = field[colon + 1..].trim_ascii();
        if name == "host" {
            sent = sent.to(String::from_utf8(value.to_vec()).ok());
        }
        sent = sent.header(&name, value);
    }
    sent.bytes(rest)
}

/// Takes a line from the front.
fn line<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    let (line, others) = rest.split_at(end);
    *rest = others.get(1..).unwrap_or_default();
    line.strip_suffix(b"\r").unwrap_or(line)
}
