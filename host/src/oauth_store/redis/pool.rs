//! Connections to the server. A caller has one to himself for the length of an operation: `WAIT` waits for what was
//! written over the same connection, and holds up whatever is asked over it meanwhile.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, SemaphorePermit};

use super::replicas::{self, Replicas};
use crate::redis_server::{Connection, Fault, RedisServer};

pub(super) struct Pool {
    server: RedisServer,
    permits: Semaphore,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    idle: Vec<Idle>,
    /// Until when nobody tries to connect, and why.
    pause: Option<(Instant, Fault)>,
}

struct Idle {
    connection: Connection,
    replicas: Replicas,
    since: Instant,
}

/// A connection in use. It is closed when this is dropped: an operation that failed, or that its caller gave up, may
/// have left an answer on its way.
pub(super) struct Lease<'a> {
    connection: Connection,
    replicas: Replicas,
    pool: &'a Pool,
    _permit: SemaphorePermit<'a>,
}

impl Pool {
    pub(super) fn new(server: RedisServer) -> Self {
        Self { server, permits: Semaphore::new(CONNECTIONS), state: Mutex::default() }
    }

    pub(super) fn server(&self) -> &RedisServer {
        &self.server
    }

    /// An idle connection, or a new one. Waits while all are in use.
    pub(super) async fn lease(&self) -> Result<Lease<'_>, Fault> {
        let permit = self.permits.acquire().await.expect("Invariant: the semaphore is never closed");
        let (connection, replicas) = match self.idle_connection() {
            Some(idle) => (idle.connection, idle.replicas),
            None => self.new_connection().await?,
        };
        Ok(Lease { connection, replicas, pool: self, _permit: permit })
    }

    /// Closes the connections that nobody uses.
    pub(super) fn close_idle(&self) {
        self.state().idle.clear();
    }

    fn idle_connection(&self) -> Option<Idle> {
        let mut state = self.state();
        let usable = |idle: &Idle| idle.connection.is_open() && idle.since.elapsed() < IDLE_TIME;
        while let Some(idle) = state.idle.pop() {
            if usable(&idle) {
                return Some(idle);
            }
        }
        None
    }

    async fn new_connection(&self) -> Result<(Connection, Replicas), Fault> {
        if let Some((until, fault)) = &self.state().pause
            && Instant::now() < *until
        {
            return Err(fault.clone());
        }
        let connected = self.connect().await;
        self.state().pause = match &connected {
            Ok(_) => None,
            Err(fault) => Some((Instant::now() + PAUSE, fault.clone())),
        };
        connected
    }

    /// A connection to a primary: one to a replica is of as little use as none.
    async fn connect(&self) -> Result<(Connection, Replicas), Fault> {
        let connection = self.server.connect().await?;
        let replicas = Replicas::of(&connection).await?;
        Ok((connection, replicas))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lease<'_> {
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Whether a write has to be confirmed by a replica; see [`Replicas::are_connected`].
    pub(super) async fn is_replicated(&mut self) -> Result<bool, Fault> {
        self.replicas.are_connected(&self.connection).await
    }

    /// Waits until a replica has what was written.
    pub(super) async fn confirm(&self) -> Result<(), Fault> {
        replicas::confirm(&self.connection).await
    }

    /// Makes the connection free for others.
    pub(super) fn give_back(self) {
        let Self { connection, replicas, pool, .. } = self;
        pool.state().idle.push(Idle { connection, replicas, since: Instant::now() });
    }
}

/// A server has a few thousand to spare for all machines together; with so many, it and not the pool is the limit.
const CONNECTIONS: usize = 16;
/// Well below the four to six minutes after which networks forget a silent connection without telling its ends.
const IDLE_TIME: Duration = Duration::from_secs(60);
/// A server that is down, or a replica, is asked four times a second, whatever is asked of us.
const PAUSE: Duration = Duration::from_millis(250);
