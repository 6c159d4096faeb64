//! One connection, and the two ways to ask: a command and a script.

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, RedisConnectionInfo, Value};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;

use super::Fault;

/// A connection that is signed in. Several may ask at once; each waits for as long as it likes. Dropping it closes it,
/// whatever is under way.
pub(crate) struct Connection {
    commands: MultiplexedConnection,
    driver: JoinHandle<()>,
}

/// A Lua script, which the server knows by its hash after the first time.
pub(crate) struct Script {
    source: &'static str,
    hash: String,
}

impl Connection {
    pub(super) async fn open<S>(sign_in: &RedisConnectionInfo, stream: S) -> Result<Self, Fault>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let configuration = AsyncConnectionConfig::new().set_response_timeout(None);
        let opened = MultiplexedConnection::new_with_config(sign_in, stream, configuration).await;
        let (commands, driver) = opened.map_err(|error| Fault::Unreachable(error.to_string()))?;
        Ok(Self { commands, driver: tokio::spawn(driver) })
    }

    /// Whether nothing is known to be wrong with it. A connection that the server has closed is not open.
    pub(crate) fn is_open(&self) -> bool {
        !self.driver.is_finished()
    }

    /// Sends a command and waits for its answer.
    pub(crate) async fn command(&self, command: &Cmd) -> Result<Value, Fault> {
        command.query_async(&mut self.commands.clone()).await.map_err(|error| Fault::of(&error))
    }

    /// Runs a script by its hash, or by its source where the server does not know it.
    pub(crate) async fn run(&self, script: &Script, keys: &[&str], arguments: &[&[u8]]) -> Result<Value, Fault> {
        let call = |name: &str, script: &str| {
            let mut command = redis::cmd(name);
            command.arg(script).arg(keys.len()).arg(keys).arg(arguments);
            command
        };
        match self.command(&call("EVALSHA", &script.hash)).await {
            Err(fault) if fault.has_code("NOSCRIPT") => self.command(&call("EVAL", script.source)).await,
            answer => answer,
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Script {
    pub(crate) fn new(source: &'static str) -> Self {
        Self { source, hash: redis::Script::new(source).get_hash().to_owned() }
    }
}

/// The text in an answer that is a string.
pub(crate) fn text_of(value: Value) -> Option<String> {
    redis::from_redis_value(value).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn a_dropped_connection_is_closed_though_an_answer_is_due() {
        let (ours, mut theirs) = tokio::io::duplex(4096);
        theirs.write_all(b"+OK\r\n+OK\r\n").await.unwrap();
        let connection = Connection::open(&RedisConnectionInfo::default(), ours).await.unwrap();
        assert!(timeout(Duration::from_millis(50), connection.command(&redis::cmd("GET"))).await.is_err());
        assert!(connection.is_open());
        drop(connection);
        let mut sent = Vec::new();
        let closed = timeout(Duration::from_secs(10), theirs.read_to_end(&mut sent)).await;
        assert!(closed.is_ok() && sent.ends_with(b"GET\r\n"), "{}", String::from_utf8_lossy(&sent));
    }

    #[tokio::test]
    async fn a_connection_that_the_server_closes_is_not_open() {
        let (ours, mut theirs) = tokio::io::duplex(4096);
        theirs.write_all(b"+OK\r\n+OK\r\n").await.unwrap();
        let connection = Connection::open(&RedisConnectionInfo::default(), ours).await.unwrap();
        drop(theirs);
        timeout(Duration::from_secs(10), async {
            while connection.is_open() {
                tokio::task::yield_now().await;
            }
        })
        .await
        .expect("the end is seen");
    }
}
