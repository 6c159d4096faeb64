//! `fermyon:spin/redis@2.0.0` (crates/factor-outbound-redis of Spin).

use ::redis::aio::MultiplexedConnection;
use ::redis::{AsyncCommands as _, AsyncConnectionConfig, Client, ErrorKind, RedisError, Value};
use wasmtime::component::Resource;

use super::bindings::redis as wit;
use super::instance::Instance;

/// An open connection.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Connection(MultiplexedConnection);

impl Instance {
    /// `None` when the address is none, or not allowed.
    fn client(&self, address: &str) -> Option<Client> {
        let uri: ::http::Uri = address.parse().ok()?;
        let allowed = self.application().allows(uri.scheme_str()?, uri.host()?, uri.port_u16());
        allowed.then(|| Client::open(address).ok())?
    }

    fn redis(&mut self, connection: &Resource<Connection>) -> wasmtime::Result<&mut MultiplexedConnection> {
        Ok(&mut self.table().get_mut(connection)?.0)
    }
}

impl wit::Host for Instance {}

impl wit::HostConnection for Instance {
    async fn open(&mut self, address: String) -> wasmtime::Result<Result<Resource<Connection>, wit::Error>> {
        let Some(client) = self.client(&address) else { return Ok(Err(wit::Error::InvalidAddress)) };
        // The client of Spin 4.0.2 is of a version without time limits: what is silent is waited for.
        let unlimited = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        match client.get_multiplexed_async_connection_with_config(&unlimited).await {
            Ok(connection) => Ok(Ok(self.table().push(Connection(connection))?)),
            Err(error) => Ok(Err(other(&error))),
        }
    }

    async fn execute(
        &mut self,
        connection: Resource<Connection>,
        command: String,
        arguments: Vec<wit::RedisParameter>,
    ) -> wasmtime::Result<Result<Vec<wit::RedisResult>, wit::Error>> {
        let mut command = ::redis::cmd(&command);
        for argument in arguments {
            match argument {
                wit::RedisParameter::Int64(number) => command.arg(number),
                wit::RedisParameter::Binary(bytes) => command.arg(bytes),
            };
        }
        let answer = command.query_async::<Value>(self.redis(&connection)?).await;
        Ok(answer.and_then(flattened).map_err(|error| other(&error)))
    }

    async fn publish(
        &mut self,
        connection: Resource<Connection>,
        channel: String,
        payload: Vec<u8>,
    ) -> wasmtime::Result<Result<(), wit::Error>> {
        Ok(self.redis(&connection)?.publish(channel, payload).await.map_err(|error| other(&error)))
    }

    async fn get(
        &mut self,
        connection: Resource<Connection>,
        key: String,
    ) -> wasmtime::Result<Result<Option<Vec<u8>>, wit::Error>> {
        Ok(self.redis(&connection)?.get(key).await.map_err(|error| other(&error)))
    }

    async fn set(
        &mut self,
        connection: Resource<Connection>,
        key: String,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), wit::Error>> {
        Ok(self.redis(&connection)?.set(key, value).await.map_err(|error| other(&error)))
    }

    async fn incr(
        &mut self,
        connection: Resource<Connection>,
        key: String,
    ) -> wasmtime::Result<Result<i64, wit::Error>> {
        Ok(self.redis(&connection)?.incr(key, 1).await.map_err(|error| other(&error)))
    }

    async fn del(
        &mut self,
        connection: Resource<Connection>,
        keys: Vec<String>,
    ) -> wasmtime::Result<Result<u32, wit::Error>> {
        Ok(self.redis(&connection)?.del(keys).await.map_err(|error| other(&error)))
    }

    async fn sadd(
        &mut self,
        connection: Resource<Connection>,
        key: String,
        values: Vec<String>,
    ) -> wasmtime::Result<Result<u32, wit::Error>> {
        Ok(self.redis(&connection)?.sadd(key, values).await.map_err(|error| other(&error)))
    }

    async fn smembers(
        &mut self,
        connection: Resource<Connection>,
        key: String,
    ) -> wasmtime::Result<Result<Vec<String>, wit::Error>> {
        Ok(self.redis(&connection)?.smembers(key).await.map_err(|error| other(&error)))
    }

    async fn srem(
        &mut self,
        connection: Resource<Connection>,
        key: String,
        values: Vec<String>,
    ) -> wasmtime::Result<Result<u32, wit::Error>> {
        Ok(self.redis(&connection)?.srem(key, values).await.map_err(|error| other(&error)))
    }

    async fn drop(&mut self, connection: Resource<Connection>) -> wasmtime::Result<()> {
        self.table().delete(connection)?;
        Ok(())
    }
}

fn other(error: &RedisError) -> wit::Error {
    wit::Error::Other(error.to_string())
}

/// Arrays within arrays become one list.
fn flattened(value: Value) -> Result<Vec<wit::RedisResult>, RedisError> {
    Ok(vec![match value {
        Value::Nil => wit::RedisResult::Nil,
        Value::Int(number) => wit::RedisResult::Int64(number),
        Value::BulkString(bytes) => wit::RedisResult::Binary(bytes),
        Value::SimpleString(status) => wit::RedisResult::Status(status),
        Value::Okay => wit::RedisResult::Status("OK".to_owned()),
        Value::Boolean(truth) => wit::RedisResult::Int64(truth.into()),
        Value::Double(number) => wit::RedisResult::Binary(number.to_string().into_bytes()),
        Value::Array(values) | Value::Set(values) => {
            let lists = values.into_iter().map(flattened).collect::<Result<Vec<_>, _>>()?;
            return Ok(lists.into_iter().flatten().collect());
        }
        _ => return Err((ErrorKind::UnexpectedReturnType, "Could not convert Redis response").into()),
    }])
}
