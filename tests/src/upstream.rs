//! A server in Plausible's place. It remembers what it was asked and answers as it is told.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// A request that arrived.
#[derive(Debug, Clone)]
pub struct Received {
    /// The method.
    pub method: String,
    /// The path and the query string.
    pub path: String,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Received {
    /// The first header of a (lower-case) name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON; `Value::Null` when it is not.
    pub fn query(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

/// How a request is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// With a status, further headers and a body.
    Answer {
        /// The status code.
        status: u16,
        /// Names and values.
        headers: Vec<(&'static str, String)>,
        /// The body.
        body: String,
    },
    /// Not at all: the connection is closed.
    Close,
}

impl Reply {
    /// A status with a JSON body.
    pub fn json(status: u16, body: impl Into<String>) -> Self {
        Reply::Answer { status, headers: vec![("content-type", "application/json".to_owned())], body: body.into() }
    }
}

/// The future in which a behaviour finds its reply.
pub type Replying = Pin<Box<dyn Future<Output = Reply> + Send>>;

type Behaviour = dyn Fn(Received) -> Replying + Send + Sync;

/// The server. It stops when it is dropped.
pub struct Upstream {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    serving: JoinHandle<()>,
}

impl fmt::Debug for Upstream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Upstream").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// The replies that [`Upstream::holding`] holds back. Clones are of the same ones.
#[derive(Debug, Clone)]
pub struct Held {
    arrived: Arc<Semaphore>,
    released: Arc<Semaphore>,
}

impl Default for Held {
    fn default() -> Self {
        Held { arrived: Arc::new(Semaphore::new(0)), released: Arc::new(Semaphore::new(0)) }
    }
}

impl Held {
    /// Waits until so many further requests have arrived.
    pub async fn arrived(&self, count: u32) {
        self.arrived.acquire_many(count).await.expect(NEVER_CLOSED).forget();
    }

    /// Lets so many replies go, of requests that have arrived or will.
    pub fn release(&self, count: usize) {
        self.released.add_permits(count);
    }
}

impl Upstream {
    /// Starts a server on a free loopback port that asks `behaviour` for each reply.
    pub async fn start<B>(behaviour: B) -> Self
    where
        B: Fn(Received) -> Replying + Send + Sync + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let received = Arc::new(Mutex::new(Vec::new()));
        let serving = tokio::spawn(serve(listener, Arc::new(behaviour), Arc::clone(&received)));
        Upstream { address, received, serving }
    }

    /// Starts a server whose replies need no waiting.
    pub async fn answering<B>(behaviour: B) -> Self
    where
        B: Fn(&Received) -> Reply + Send + Sync + 'static,
    {
        Upstream::start(move |received| {
            let reply = behaviour(&received);
            Box::pin(async move { reply })
        })
        .await
    }

    /// Starts a server that holds its replies back until they are let go, and what lets them go.
    pub async fn holding<B>(behaviour: B) -> (Self, Held)
    where
        B: Fn(&Received) -> Reply + Send + Sync + 'static,
    {
        let held = Held::default();
        let (gate, behaviour) = (held.clone(), Arc::new(behaviour));
        let upstream = Upstream::start(move |received| {
            let (gate, behaviour) = (gate.clone(), Arc::clone(&behaviour));
            Box::pin(async move {
                gate.arrived.add_permits(1);
                gate.released.acquire().await.expect(NEVER_CLOSED).forget();
                behaviour(&received)
            })
        });
        (upstream.await, held)
    }

    /// The value of `PLAUSIBLE_BASE_URL` that leads here.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What arrived since the last call, in order of arrival.
    pub fn take(&self) -> Vec<Received> {
        std::mem::take(&mut *self.received.lock().expect("no holder of this lock panics"))
    }

    /// The queries that arrived since the last call.
    pub fn take_queries(&self) -> Vec<Value> {
        self.take().iter().map(Received::query).collect()
    }
}

async fn serve(listener: TcpListener, behaviour: Arc<Behaviour>, received: Arc<Mutex<Vec<Received>>>) {
    // The connections end with this task: the set aborts what it holds when it is dropped.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve_connection(stream, Arc::clone(&behaviour), Arc::clone(&received)));
        while connections.try_join_next().is_some() {}
    }
}

async fn serve_connection(stream: TcpStream, behaviour: Arc<Behaviour>, received: Arc<Mutex<Vec<Received>>>) {
    let service = service_fn(move |request| {
        let (behaviour, received) = (Arc::clone(&behaviour), Arc::clone(&received));
        async move { reply(request, &*behaviour, &received).await }
    });
    // A behaviour that closes the connection ends it with an error, on purpose.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn reply(
    request: hyper::Request<Incoming>,
    behaviour: &Behaviour,
    received: &Mutex<Vec<Received>>,
) -> Result<hyper::Response<Full<Bytes>>, Closed> {
    let request = receive(request).await;
    received.lock().expect("no holder of this lock panics").push(request.clone());
    match behaviour(request).await {
        Reply::Close => Err(Closed),
        Reply::Answer { status, headers, body } => {
            let mut response = hyper::Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(name, value);
            }
            Ok(response.body(Full::from(body)).expect("behaviours name legal statuses and headers"))
        }
    }
}

async fn receive(request: hyper::Request<Incoming>) -> Received {
    let (head, body) = request.into_parts();
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Received {
        method: head.method.to_string(),
        path: head.uri.to_string(),
        headers: head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body: body.collect().await.map(|body| body.to_bytes().to_vec()).unwrap_or_default(),
    }
}

/// Makes hyper close the connection.
#[derive(Debug)]
struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("closed on purpose")
    }
}

impl std::error::Error for Closed {}

const NEVER_CLOSED: &str = "the semaphore is never closed";
