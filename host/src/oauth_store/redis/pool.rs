//! Connections to the server. A caller has one to himself for the length of an operation: `WAIT` waits for what was
//! written over the same connection, and holds up whatever is asked over it meanwhile.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, SemaphorePermit};

use super::replicas::{self, Copies, Need, Replicas};
use crate::redis_server::{Connection, Fault, RedisServer};

pub(super) struct Pool {
    server: RedisServer,
    need: Need,
    permits: Semaphore,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    idle: Vec<Idle>,
    /// Until when nobody tries to connect, and why.
    pause: Option<(Instant, Fault)>,
    /// When replicas were last waited for in vain, as long as one waits.
    in_vain: Option<Instant>,
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
        let need = Need::new(server.address().replicas());
        Self { server, need, permits: Semaphore::new(CONNECTIONS), state: Mutex::default() }
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

    /// Learns of `replicas`, and returns what a write needs and what there is.
    pub(super) fn see(&self, replicas: Replicas) -> Copies {
        self.need.see(replicas)
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
        self.see(replicas);
        Ok((connection, replicas))
    }

    /// How long replicas are waited for: a moment only where that was in vain just now, so that an outage of theirs does
    /// not hold up everything that is asked.
    fn patience(&self) -> Duration {
        let in_vain = self.state().in_vain;
        if in_vain.is_some_and(|since| since.elapsed() < DOUBT) { WAIT_IN_DOUBT } else { WAIT_TIME }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lease<'_> {
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Whether it is time to ask for the role and the replicas again.
    pub(super) fn is_due(&self) -> bool {
        self.replicas.are_old()
    }

    /// Takes the answer of [`Replicas::of`].
    pub(super) fn told(&mut self, answer: Result<Replicas, Fault>) -> Result<(), Fault> {
        self.replicas = answer?;
        self.pool.see(self.replicas);
        Ok(())
    }

    /// What a write needs and what there is. Asks again now and then, and before it tells of a shortage.
    pub(super) async fn copies(&mut self) -> Result<Copies, Fault> {
        let known = self.pool.see(self.replicas);
        if self.is_due() || (!known.are_there() && self.replicas.is_older_than(JUST_NOW)) {
            let answer = Replicas::of(&self.connection).await;
            self.told(answer)?;
        }
        Ok(self.pool.see(self.replicas))
    }

    /// Waits until `needed` replicas have what was written.
    pub(super) async fn confirm(&self, needed: usize) -> Result<(), Fault> {
        let time = self.pool.patience();
        let confirmed = replicas::confirm(&self.connection, needed, time).await;
        match &confirmed {
            Ok(()) => self.pool.state().in_vain = None,
            Err(Fault::Unconfirmed(_)) if time == WAIT_TIME => self.pool.state().in_vain = Some(Instant::now()),
            Err(_) => {}
        }
        confirmed
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
/// A replica on the same continent confirms within a tenth of this.
const WAIT_TIME: Duration = Duration::from_millis(500);
/// Enough for one in the same data centre that is there again.
const WAIT_IN_DOUBT: Duration = Duration::from_millis(50);
/// For so long the shorter time holds; then the longer one is tried again.
const DOUBT: Duration = Duration::from_secs(2);
/// A replica that was missing so long ago may be there now.
const JUST_NOW: Duration = Duration::from_millis(50);
