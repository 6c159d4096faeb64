//! Spin: the stand-in, and the real one where there is one.

use std::net::SocketAddr;

use super::{HostUnderTest, Launch, Running, Starting};
use crate::spin::{RealSpin, Spin, SpinOptions};

/// The stand-in for Spin, with records in SQLite or Redis.
#[derive(Debug, Default)]
pub struct StandInForSpin {
    /// Where the Redis is that keeps the records.
    pub redis: Option<SocketAddr>,
}

/// `spin up`. It cannot be started where there is no `spin` on the PATH.
#[derive(Debug)]
pub struct SpinUp;

impl HostUnderTest for StandInForSpin {
    fn start<'a>(&'a self, launch: &'a Launch) -> Starting<'a> {
        Box::pin(async move {
            let url = self.redis.map_or_else(String::new, |address| format!("redis://{address}"));
            let redis = [("REDIS_URL", url.as_str()), ("REDIS_HOST", &url)];
            let redis = if self.redis.is_some() { redis.as_slice() } else { &[] };
            let spin = Spin::start(&options(launch).with(redis)).await?;
            Ok(Box::new(spin) as Box<dyn Running>)
        })
    }
}

impl HostUnderTest for SpinUp {
    fn start<'a>(&'a self, launch: &'a Launch) -> Starting<'a> {
        Box::pin(async move {
            let spin = RealSpin::start(&options(launch)).await.ok_or("there is no `spin` on the PATH")?;
            Ok(Box::new(spin) as Box<dyn Running>)
        })
    }
}

impl Running for Spin {
    fn log(&self) -> String {
        self.output()
    }
}

impl Running for RealSpin {
    fn log(&self) -> String {
        self.output()
    }
}

/// The settings as variables, and the host of the issuer, which Spin wants to know too.
fn options(launch: &Launch) -> SpinOptions {
    let issuer = launch.settings.iter().find(|(name, _)| name == "ACCESS_ISSUER");
    let host = issuer.map(|(_, issuer)| issuer.splitn(4, '/').take(3).collect::<Vec<_>>().join("/"));
    let host = host.map(|host| ("ACCESS_HOST".to_owned(), host));
    SpinOptions {
        listen: launch.listen,
        settings: launch.settings.iter().cloned().chain(host).collect(),
        ..SpinOptions::new(&launch.state)
    }
}
