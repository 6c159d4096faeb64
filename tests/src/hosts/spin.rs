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

/// `spin up`, with records in SQLite or Redis. It cannot be started where there is no `spin` on the PATH.
#[derive(Debug, Default)]
pub struct SpinUp {
    /// Where the Redis is that keeps the records.
    pub redis: Option<SocketAddr>,
}

impl HostUnderTest for StandInForSpin {
    fn start<'a>(&'a self, launch: &'a Launch) -> Starting<'a> {
        Box::pin(async move {
            let spin = Spin::start(&options(launch, self.redis)).await?;
            Ok(Box::new(spin) as Box<dyn Running>)
        })
    }
}

impl HostUnderTest for SpinUp {
    fn start<'a>(&'a self, launch: &'a Launch) -> Starting<'a> {
        Box::pin(async move {
            let spin = RealSpin::start(&options(launch, self.redis)).await.ok_or("there is no `spin` on the PATH")?;
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

/// The settings as variables, and the hosts of the issuer and the Redis, which Spin wants to know too.
fn options(launch: &Launch, redis: Option<SocketAddr>) -> SpinOptions {
    let issuer = launch.settings.iter().find(|(name, _)| name == "ACCESS_ISSUER");
    let host = issuer.map(|(_, issuer)| issuer.splitn(4, '/').take(3).collect::<Vec<_>>().join("/"));
    let host = host.map(|host| ("ACCESS_HOST".to_owned(), host));
    let redis =
        redis.map(|address| ["REDIS_URL", "REDIS_HOST"].map(|name| (name.to_owned(), format!("redis://{address}"))));
    SpinOptions {
        listen: launch.listen,
        settings: launch.settings.iter().cloned().chain(host).chain(redis.into_iter().flatten()).collect(),
        ..SpinOptions::new(&launch.state)
    }
}
