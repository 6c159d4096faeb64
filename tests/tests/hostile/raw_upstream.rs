//! A server in Plausible's place that answers byte by byte what it is told to.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use plausible_mcp_tests::harness::Harness;
use plausible_mcp_tests::upstream::{Reply, Upstream};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// What it sends for every request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Script {
    /// First.
    pub(crate) beginning: Vec<u8>,
    /// Then, again and again until the client leaves; nothing when it is empty.
    pub(crate) again: Vec<u8>,
    /// Whether it leaves the connection open when it has said all.
    pub(crate) stays: bool,
}

/// The server. It stops when it is dropped.
pub(crate) struct RawUpstream {
    address: SocketAddr,
    sent: Arc<AtomicUsize>,
    serving: JoinHandle<()>,
}

impl Drop for RawUpstream {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl RawUpstream {
    /// Starts it on a free loopback port.
    pub(crate) async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let sent = Arc::new(AtomicUsize::new(0));
        let serving = tokio::spawn(serve(listener, Arc::new(script), Arc::clone(&sent)));
        Self { address, sent, serving }
    }

    /// A host that asks it.
    pub(crate) async fn host(&self) -> Harness {
        let nobody = Upstream::answering(|_| Reply::Close).await;
        let address = format!("http://{}", self.address);
        Harness::start(nobody, &[("PLAUSIBLE_BASE_URL", address.as_str())]).await
    }

    /// How many bytes it has got rid of.
    pub(crate) fn sent(&self) -> usize {
        self.sent.load(Ordering::Relaxed)
    }
}

async fn serve(listener: TcpListener, script: Arc<Script>, sent: Arc<AtomicUsize>) {
    // The connections end with this task: the set aborts what it holds when it is dropped.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (script, sent) = (Arc::clone(&script), Arc::clone(&sent));
        connections.spawn(async move {
            // The client may leave whenever it likes.
            let _ = answer(stream, &script, &sent).await;
        });
    }
}

async fn answer(mut stream: TcpStream, script: &Script, sent: &AtomicUsize) -> std::io::Result<()> {
    read_request(&mut stream).await?;
    stream.write_all(&script.beginning).await?;
    sent.fetch_add(script.beginning.len(), Ordering::Relaxed);
    while !script.again.is_empty() {
        stream.write_all(&script.again).await?;
        sent.fetch_add(script.again.len(), Ordering::Relaxed);
    }
    if script.stays {
        // Until the client closes it.
        stream.read_to_end(&mut Vec::new()).await?;
    }
    Ok(())
}

/// A connection that is closed before all is read would be reset, and the answer lost.
async fn read_request(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut received = Vec::new();
    loop {
        if stream.read_buf(&mut received).await? == 0 {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&received).to_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
            let length: usize = length.and_then(|length| length.trim().parse().ok()).unwrap_or_default();
            if body.len() >= length {
                return Ok(());
            }
        }
    }
}
