//! Spin's Redis as a [`Server`].

use std::cell::OnceCell;

use super::bindings::redis as spin;
use crate::redis::{Fault, Reply, Server};
use plausible_mcp_adapter_edge::log;

/// The server that `redis_url` names, over one connection for as long as the instance lives.
pub(super) struct SpinRedis {
    address: String,
    connection: OnceCell<Option<spin::Connection>>,
}

impl SpinRedis {
    /// Does not connect yet: that may block as any call may.
    pub(super) fn at(address: &str) -> Self {
        SpinRedis { address: address.to_owned(), connection: OnceCell::new() }
    }

    /// The connection. A server that cannot be reached refuses every script, and the log says why.
    fn connection(&self) -> Option<&spin::Connection> {
        let open = || {
            let opened = spin::Connection::open(&self.address);
            opened.inspect_err(|error| log::error("redis_unavailable", &[("cause", cause(error))])).ok()
        };
        self.connection.get_or_init(open).as_ref()
    }
}

fn cause(error: &spin::Error) -> &str {
    match error {
        // Spin has one error for both.
        spin::Error::InvalidAddress => {
            "not among allowed_outbound_hosts: set redis_host to scheme, host and port of redis_url; or redis_url is no \
             address"
        }
        spin::Error::TooManyConnections => "too many connections",
        spin::Error::TypeError => "type error",
        spin::Error::Other(message) => message,
    }
}

impl Server for SpinRedis {
    fn eval(&self, script: &str, keys: &[&str], arguments: &[&[u8]]) -> Result<Vec<Reply>, Fault> {
        let Some(connection) = self.connection() else { return Err(Fault::Refused) };
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
