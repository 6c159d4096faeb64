//! A network between a client and a server that can stop, break, and lead elsewhere.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What becomes of what is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Traffic {
    /// It arrives.
    Flows,
    /// The server gets it; its answers wait.
    AnswersStop,
    /// It waits, both ways.
    Stops,
    /// Every connection is closed, new ones at once.
    Breaks,
}

/// A loopback port that passes on what comes to it.
pub struct Relay {
    address: SocketAddr,
    state: watch::Sender<State>,
    accepting: JoinHandle<()>,
}

#[derive(Clone, Copy)]
struct State {
    to: SocketAddr,
    traffic: Traffic,
    cuts: u64,
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
        self.set(Traffic::Breaks);
    }
}

impl Relay {
    /// A way to `to`.
    pub async fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let state = watch::Sender::new(State { to, traffic: Traffic::Flows, cuts: 0 });
        let accepting = tokio::spawn(accept(listener, state.subscribe()));
        Self { address, state, accepting }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes what becomes of what is sent, on connections that exist too.
    pub fn set(&self, traffic: Traffic) {
        self.state.send_modify(|state| state.traffic = traffic);
    }

    /// Closes every connection; new ones are not hindered.
    pub fn cut(&self) {
        self.state.send_modify(|state| state.cuts += 1);
    }

    /// Leads new connections to `to`.
    pub fn turn_to(&self, to: SocketAddr) {
        self.state.send_modify(|state| state.to = to);
    }
}

async fn accept(listener: TcpListener, state: watch::Receiver<State>) {
    while let Ok((client, _)) = listener.accept().await {
        let State { to, traffic, cuts } = *state.borrow();
        if traffic == Traffic::Breaks {
            continue;
        }
        let Ok(server) = TcpStream::connect(to).await else { continue };
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        let asks = |traffic| matches!(traffic, Traffic::Flows | Traffic::AnswersStop);
        tokio::spawn(until_cut(state.clone(), cuts, pump(from_client, to_server, state.clone(), asks)));
        let answers = |traffic| traffic == Traffic::Flows;
        tokio::spawn(until_cut(state.clone(), cuts, pump(from_server, to_client, state.clone(), answers)));
    }
}

/// Does a connection's work until the connection is closed on purpose.
async fn until_cut(mut state: watch::Receiver<State>, cuts: u64, work: impl Future<Output = ()>) {
    tokio::select! {
        () = work => {}
        _ = state.wait_for(|state| state.traffic == Traffic::Breaks || state.cuts != cuts) => {}
    }
}

/// Passes on what comes, when it flows, until one side ends.
async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut state: watch::Receiver<State>,
    flows: fn(Traffic) -> bool,
) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let flowing = state.wait_for(|state| flows(state.traffic)).await.is_ok();
        if !flowing || to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
