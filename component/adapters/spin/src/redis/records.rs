//! Records.

use super::{Fault, Reply, Server};
use crate::record::{Records, StoreError, TimeToLive, check_value};

/// Records on a server.
pub struct RedisRecords<'a, S>(pub &'a S);

impl<S: Server> RedisRecords<'_, S> {
    /// Runs a script that may change the record `key`.
    fn write(&self, script: &str, key: &str, arguments: &[&[u8]]) -> Result<Vec<Reply>, StoreError> {
        let arguments: Vec<&[u8]> = std::iter::once(key.as_bytes()).chain(arguments.iter().copied()).collect();
        self.0.eval(script, &[&record_of(key), NAMES, ENDS], &arguments).map_err(|fault| match fault {
            Fault::Refused => StoreError::Unavailable,
            Fault::Unknown => StoreError::UnknownOutcome,
        })
    }

    /// Runs a script that changes no record.
    fn read(&self, script: &str, keys: &[&str], arguments: &[&[u8]]) -> Result<Vec<Reply>, StoreError> {
        self.0.eval(script, keys, arguments).map_err(|_| StoreError::Unavailable)
    }

    fn page(&self, from: &str, to: &[u8], limit: u32) -> Result<Page, StoreError> {
        let (size, most) = (limit.to_string(), NAMES_AT_ONCE.to_string());
        let arguments = [RECORD.as_bytes(), from.as_bytes(), to, size.as_bytes(), most.as_bytes()];
        Page::read(self.read(KEYS_SCRIPT, &[NAMES, ENDS], &arguments)?).ok_or(StoreError::Unavailable)
    }
}

impl<S: Server> Records for RedisRecords<'_, S> {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        value_in(self.read(GET, &[&record_of(key)], &[])?).ok_or(StoreError::Unavailable)
    }

    fn put(&self, key: &str, value: Vec<u8>, time: TimeToLive) -> Result<(), StoreError> {
        check_value(&value)?;
        self.write(PUT, key, &[&value, &milliseconds(Some(time))]).map(drop)
    }

    fn create(&self, key: &str, value: Vec<u8>, time: TimeToLive) -> Result<bool, StoreError> {
        check_value(&value)?;
        self.write(CREATE, key, &[&value, &milliseconds(Some(time))]).and_then(was_done)
    }

    fn take(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        value_in(self.write(TAKE, key, &[])?).ok_or(StoreError::UnknownOutcome)
    }

    fn replace(
        &self,
        key: &str,
        expected: Vec<u8>,
        new: Vec<u8>,
        time: Option<TimeToLive>,
    ) -> Result<bool, StoreError> {
        check_value(&new)?;
        self.write(REPLACE, key, &[&new, &milliseconds(time), &expected]).and_then(was_done)
    }

    fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.write(DELETE, key, &[]).map(drop)
    }

    fn keys(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>, StoreError> {
        let mut from = match after {
            Some(after) if after >= prefix => format!("({after}"),
            _ => format!("[{prefix}"),
        };
        let to = [b"(", prefix.as_bytes(), &[ABOVE_EVERY_BYTE_OF_A_KEY]].concat();
        loop {
            let page = self.page(&from, &to, limit)?;
            // An empty page ends a listing, so names whose records have ended must not make one.
            if page.is_last || !page.names.is_empty() {
                return Ok(page.names);
            }
            let after = format!("({}", page.last_seen);
            // A server that does not get on would be asked for ever.
            if after == from {
                return Err(StoreError::Unavailable);
            }
            from = after;
        }
    }
}

/// A part of a listing.
struct Page {
    is_last: bool,
    last_seen: String,
    names: Vec<String>,
}

impl Page {
    fn read(answer: Vec<Reply>) -> Option<Self> {
        let mut answer = answer.into_iter();
        let Some(Reply::Integer(is_last)) = answer.next() else { return None };
        let last_seen = text(answer.next()?)?;
        let names = answer.map(text).collect::<Option<Vec<String>>>()?;
        Some(Page { is_last: is_last == 1, last_seen, names })
    }
}

fn text(reply: Reply) -> Option<String> {
    match reply {
        Reply::Bytes(bytes) => String::from_utf8(bytes).ok(),
        Reply::Nil | Reply::Integer(_) => None,
    }
}

/// The record in an answer; outer `None` when the answer is neither that nor none.
fn value_in(answer: Vec<Reply>) -> Option<Option<Vec<u8>>> {
    match answer.into_iter().next()? {
        Reply::Bytes(value) => Some(Some(value)),
        Reply::Nil => Some(None),
        Reply::Integer(_) => None,
    }
}

fn was_done(answer: Vec<Reply>) -> Result<bool, StoreError> {
    match answer.first() {
        Some(Reply::Integer(done)) => Ok(*done == 1),
        _ => Err(StoreError::UnknownOutcome),
    }
}

/// No time is 0: what is left of it.
fn milliseconds(time: Option<TimeToLive>) -> Vec<u8> {
    time.map_or(0, TimeToLive::milliseconds).to_string().into_bytes()
}

fn record_of(key: &str) -> String {
    format!("{RECORD}{key}")
}

const RECORD: &str = "{plausible-mcp}:record/";
const NAMES: &str = "{plausible-mcp}:names";
const ENDS: &str = "{plausible-mcp}:ends";
/// Keys are of `[a-z0-9/_-]`.
const ABOVE_EVERY_BYTE_OF_A_KEY: u8 = 0xff;
/// The largest page that the contract allows.
const NAMES_AT_ONCE: u32 = crate::record::PAGE_KEYS;

const GET: &str = include_str!("lua/get.lua");
const PUT: &str = concat!(include_str!("lua/record.lua"), include_str!("lua/put.lua"));
const CREATE: &str = concat!(include_str!("lua/record.lua"), include_str!("lua/create.lua"));
const TAKE: &str = concat!(include_str!("lua/record.lua"), include_str!("lua/take.lua"));
const REPLACE: &str = concat!(include_str!("lua/record.lua"), include_str!("lua/replace.lua"));
const DELETE: &str = concat!(include_str!("lua/record.lua"), include_str!("lua/delete.lua"));
const KEYS_SCRIPT: &str = include_str!("lua/keys.lua");

/// Each script with the host's file of it.
#[cfg(test)]
pub(super) const SCRIPT_FILES: [(&str, &str); 8] = [
    (include_str!("lua/record.lua"), "oauth_store/redis/lua/record.lua"),
    (include_str!("lua/get.lua"), "oauth_store/redis/lua/get.lua"),
    (include_str!("lua/put.lua"), "oauth_store/redis/lua/put.lua"),
    (include_str!("lua/create.lua"), "oauth_store/redis/lua/create.lua"),
    (include_str!("lua/take.lua"), "oauth_store/redis/lua/take.lua"),
    (include_str!("lua/replace.lua"), "oauth_store/redis/lua/replace.lua"),
    (include_str!("lua/delete.lua"), "oauth_store/redis/lua/delete.lua"),
    (include_str!("lua/keys.lua"), "oauth_store/redis/lua/keys.lua"),
];

#[cfg(test)]
mod tests {
    use super::super::tests::Prepared;
    use super::*;

    fn bytes(text: &str) -> Reply {
        Reply::Bytes(text.as_bytes().to_vec())
    }

    #[test]
    fn a_listing_goes_on_past_names_without_records() {
        let server = Prepared::new([
            Ok(vec![Reply::Integer(0), bytes("k/b")]),
            Ok(vec![Reply::Integer(1), bytes("k/d"), bytes("k/c"), bytes("k/d")]),
        ]);
        assert_eq!(RedisRecords(&server).keys("k/", Some("a"), 5), Ok(vec!["k/c".to_owned(), "k/d".to_owned()]));
        let from = |call: usize| server.asked.borrow()[call].1[1].clone();
        assert_eq!((from(0), from(1)), (b"[k/".to_vec(), b"(k/b".to_vec()), "the prefix, then after the last one seen");
    }

    #[test]
    fn a_failed_write_is_unknown_unless_it_was_refused_and_a_failed_read_is_unavailable() {
        let records = |answer: Result<Vec<Reply>, Fault>| Prepared::new([answer.clone(), answer]);
        for (fault, expected) in
            [(Fault::Refused, StoreError::Unavailable), (Fault::Unknown, StoreError::UnknownOutcome)]
        {
            assert_eq!(RedisRecords(&records(Err(fault))).take("a"), Err(expected));
            assert_eq!(RedisRecords(&records(Err(fault))).delete("a"), Err(expected));
            assert_eq!(RedisRecords(&records(Err(fault))).get("a"), Err(StoreError::Unavailable));
        }
        let strange = records(Ok(vec![Reply::Integer(7)]));
        assert_eq!(RedisRecords(&strange).take("a"), Err(StoreError::UnknownOutcome));
        assert_eq!(RedisRecords(&strange).get("a"), Err(StoreError::Unavailable));
    }
}
