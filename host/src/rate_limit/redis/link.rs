//! The one connection of the limiter, and its replacement while nobody waits for it.
//!
//! ```text
//! idle --first check--> connecting --+--> up --a check failed--> down --pause, connected--> up
//!                                    +--> down (it failed)
//! ```
//!
//! A check waits while the first connection is made, so that a machine that starts limits with the others. It does not
//! wait for a replacement.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::redis_server::{Connection, Fault, RedisServer};

pub(super) struct Link {
    server: RedisServer,
    state: watch::Sender<State>,
    keeper: OnceLock<AbortHandle>,
}

#[derive(Clone)]
enum State {
    Connecting,
    Up(Arc<Connection>),
    Down(Fault),
}

impl Link {
    pub(super) fn new(server: RedisServer) -> Self {
        Self { server, state: watch::Sender::new(State::Connecting), keeper: OnceLock::new() }
    }

    pub(super) fn server(&self) -> &RedisServer {
        &self.server
    }

    /// The connection, or why there is none. Waits up to `time` while the first one is being made.
    pub(super) async fn connection(&self, time: Duration) -> Result<Arc<Connection>, Fault> {
        self.keeper.get_or_init(|| tokio::spawn(keep(self.server.clone(), self.state.clone())).abort_handle());
        let mut state = self.state.subscribe();
        // An error of the channel says that its sender is gone, and `self` has it.
        let _ = timeout(time, state.wait_for(|state| !matches!(state, State::Connecting))).await;
        let known = state.borrow().clone();
        match known {
            State::Up(connection) if connection.is_open() => Ok(connection),
            State::Up(connection) => {
                let fault = Fault::Unreachable("the server has closed the connection".to_owned());
                self.replace(&connection, &fault);
                Err(fault)
            }
            State::Down(fault) => Err(fault),
            State::Connecting => Err(Fault::Unreachable("no connection in time".to_owned())),
        }
    }

    /// Has `connection`, which does not work, replaced by another, unless it is already.
    pub(super) fn replace(&self, connection: &Arc<Connection>, fault: &Fault) {
        self.state.send_if_modified(|state| {
            let current = matches!(state, State::Up(current) if Arc::ptr_eq(current, connection));
            if current {
                *state = State::Down(fault.clone());
            }
            current
        });
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Some(keeper) = self.keeper.get() {
            keeper.abort();
        }
    }
}

/// Makes a connection whenever there is none.
async fn keep(server: RedisServer, state: watch::Sender<State>) {
    let mut changes = state.subscribe();
    loop {
        match server.connect().await {
            Ok(connection) => {
                state.send_replace(State::Up(Arc::new(connection)));
                // The sender is this function's own, so that the channel is never closed.
                let _ = changes.wait_for(|state| matches!(state, State::Down(_))).await;
            }
            Err(fault) => {
                state.send_replace(State::Down(fault));
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// A server that is down is asked once a second.
const PAUSE: Duration = Duration::from_secs(1);
