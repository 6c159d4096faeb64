//! Spin's Redis as a [`Server`].

use super::bindings::redis as spin;
use crate::redis::{Fault, Reply, Server};

/// The server that `redis_url` names, over one connection for as long as the instance lives.
pub(super) struct SpinRedis(Option<spin::Connection>);

impl SpinRedis {
    /// Connects. A server that cannot be reached refuses every script.
    pub(super) fn open(address: &str) -> Self {
        SpinRedis(spin::Connection::open(address).ok())
    }
}

impl Server for SpinRedis {
    fn eval(&self, script: &str, keys: &[&str], arguments: &[&[u8]]) -> Result<Vec<Reply>, Fault> {
        let Some(connection) = &self.0 else { return Err(Fault::Refused) };
        let binary = |bytes: &[u8]| spin::RedisParameter::Binary(bytes.to_vec());
        let count = i64::try_from(keys.len()).unwrap_or(i64::MAX);
        let mut parameters = vec![binary(script.as_bytes()), spin::RedisParameter::Int64(count)];
        parameters.extend(keys.iter().map(|key| binary(key.as_bytes())));
        parameters.extend(arguments.iter().map(|argument| binary(argument)));
        let answer = connection.execute("EVAL", &parameters).map_err(fault)?;
        Ok(answer.into_iter().map(reply).collect())
    }
}

fn reply(result: spin::RedisResult) -> Reply {
    match result {
        spin::RedisResult::Nil => Reply::Nil,
        spin::RedisResult::Int64(number) => Reply::Integer(number),
        spin::RedisResult::Status(status) => Reply::Bytes(status.into_bytes()),
        spin::RedisResult::Binary(bytes) => Reply::Bytes(bytes),
    }
}

fn fault(error: spin::Error) -> Fault {
    match error {
        spin::Error::InvalidAddress | spin::Error::TooManyConnections => Fault::Refused,
        spin::Error::TypeError => Fault::Unknown,
        spin::Error::Other(message) => Fault::of_message(&message),
    }
}
