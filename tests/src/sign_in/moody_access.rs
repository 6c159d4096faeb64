//! The simulated Cloudflare Access, which fails as it is told.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock};

use plausible_mcp_host::demo::access::{self, Application, SimulatedAccess};

use super::access::{ACCESS_SECRET, APPLICATION, settings_at};
use crate::upstream::{Received, Reply, Upstream};

/// The provider. It stops when it is dropped.
pub struct MoodyAccess {
    provider: Arc<SimulatedAccess>,
    mood: Arc<Mutex<Mood>>,
    host: SocketAddr,
    upstream: Upstream,
}

/// How it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// As it should.
    Well,
    /// With this status, whatever is asked.
    Status(u16),
    /// With a page for people.
    Page,
    /// Not at all, over connections that stay.
    Hangs,
    /// Not at all, over connections that are closed.
    Closes,
}

impl MoodyAccess {
    /// A provider in this mood for a host that listens at `host`.
    pub async fn start_for(host: SocketAddr, mood: Mood) -> Self {
        let (mood, provider) = (Arc::new(Mutex::new(mood)), Arc::new(OnceLock::<Arc<SimulatedAccess>>::new()));
        let (asked, known) = (Arc::clone(&mood), Arc::clone(&provider));
        let upstream = Upstream::start(move |received| {
            let mood = *asked.lock().expect("no holder of this lock panics");
            let provider = known.get().cloned();
            Box::pin(async move {
                match (mood, provider) {
                    (Mood::Well, Some(provider)) => answer(&provider, &received),
                    (Mood::Status(status), _) => Reply::json(status, "{}"),
                    (Mood::Page, _) => page(),
                    (Mood::Hangs, _) => std::future::pending().await,
                    (Mood::Closes | Mood::Well, _) => Reply::Close,
                }
            })
        })
        .await;
        let application = Application {
            client_id: APPLICATION.to_owned(),
            client_secret: ACCESS_SECRET.to_owned(),
            redirect_uri: format!("http://{host}/callback"),
        };
        let origin = upstream.base_url();
        let made = tokio::task::spawn_blocking(move || SimulatedAccess::new(origin, application)).await;
        let made = made.expect("drawing keys does not panic").unwrap_or_else(|error| panic!("keys: {error}"));
        let made = provider.get_or_init(|| Arc::new(made)).clone();
        MoodyAccess { provider: made, mood, host, upstream }
    }

    /// Changes the mood.
    pub fn set(&self, mood: Mood) {
        *self.mood.lock().expect("no holder of this lock panics") = mood;
    }

    /// Whether anybody has asked since the last call.
    pub fn was_asked(&self) -> bool {
        !self.upstream.take().is_empty()
    }

    /// What the host is set up with, as [`Access::settings`](super::Access::settings).
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        settings_at(&self.provider, self.host)
    }
}

fn answer(provider: &SimulatedAccess, received: &Received) -> Reply {
    let (path, query) = received.path.split_once('?').unwrap_or((&received.path, ""));
    let asked = access::Received {
        method: &received.method,
        path,
        query,
        authorization: received.header("authorization"),
        cookie: received.header("cookie"),
        body: &received.body,
    };
    let now = u64::try_from(jiff::Timestamp::now().as_second()).expect("it is after 1970");
    let access::Answer { status, headers, body } = provider.answer(&asked, now);
    Reply::Answer { status, headers, body }
}

fn page() -> Reply {
    let headers = vec![("content-type", "text/html".to_owned())];
    Reply::Answer { status: 200, headers, body: "<!doctype html><title>Please sign in</title>".to_owned() }
}
