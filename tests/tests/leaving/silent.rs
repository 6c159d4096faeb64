//! A Plausible that takes questions and answers none.

use std::net::SocketAddr;
use std::sync::Arc;

use plausible_mcp_host::Limits;
use plausible_mcp_tests::harness::Harness;
use plausible_mcp_tests::upstream::{Reply, Upstream};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};

use crate::ends;

/// The server. It stops when it is dropped.
pub(crate) struct Silent {
    address: SocketAddr,
    asked: Arc<Semaphore>,
    left: Arc<Semaphore>,
    serving: JoinHandle<()>,
}

impl Drop for Silent {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Silent {
    /// Starts it on a free loopback port.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let (asked, left) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let serving = tokio::spawn(serve(listener, asked.clone(), left.clone()));
        Self { address, asked, left, serving }
    }

    /// The value of `PLAUSIBLE_BASE_URL` that leads here.
    pub(crate) fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A host that asks it and has one place for requests, and one for questions to it.
    pub(crate) async fn host(&self) -> Harness {
        let limits = Limits { concurrent_requests: 1, finishing_requests: 1, plausible_calls: 1, ..Limits::default() };
        let nobody = Upstream::answering(|_| Reply::Close).await;
        let address = self.base_url();
        let settings = [("PLAUSIBLE_BASE_URL", address.as_str())];
        Harness::try_start_as(|host| host.limits(limits), nobody, &settings).await.expect("the host starts")
    }

    /// Waits for one further question.
    pub(crate) async fn asked(&self) {
        ends("a question", self.asked.acquire()).await.expect("never closed").forget();
    }

    /// Waits until the connection of one further question is closed.
    pub(crate) async fn left(&self) {
        ends("the end of a connection", self.left.acquire()).await.expect("never closed").forget();
    }
}

async fn serve(listener: TcpListener, asked: Arc<Semaphore>, left: Arc<Semaphore>) {
    // The connections end with this task: the set aborts what it holds when it is dropped.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(listen(stream, asked.clone(), left.clone()));
    }
}

async fn listen(mut stream: TcpStream, asked: Arc<Semaphore>, left: Arc<Semaphore>) {
    let mut received = Vec::new();
    while stream.read_buf(&mut received).await.is_ok_and(|count| count > 0) {
        if received.windows(4).any(|window| window == b"\r\n\r\n") {
            received.clear();
            asked.add_permits(1);
        }
    }
    left.add_permits(1);
}
