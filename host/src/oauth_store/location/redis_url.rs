//! The form of a location that names a Redis server. Builds without the feature `redis` know it to say what is missing.

#[cfg(feature = "redis")]
use std::sync::Arc;

#[cfg(feature = "redis")]
use super::super::RedisStore;
use super::{LocationError, Opened};
#[cfg(feature = "redis")]
use crate::rate_limit::RedisBuckets;
#[cfg(feature = "redis")]
use crate::redis_server::{RedisAddress, RedisAddressError, RedisServer};

/// The URL of a Redis server. It may hold a password: `Debug` shows none of it.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl(String);

impl RedisUrl {
    /// The URL in `text`, which begins with `redis://` or `rediss://`.
    pub(super) fn parse(text: &str) -> Result<Self, LocationError> {
        let url = Self(text.to_owned());
        #[cfg(feature = "redis")]
        url.address()?;
        Ok(url)
    }

    #[cfg(feature = "redis")]
    fn address(&self) -> Result<RedisAddress, LocationError> {
        self.0.parse().map_err(|error: RedisAddressError| LocationError::RedisUrl(error.to_string()))
    }

    /// The store and the limiter there. They connect when they are first asked for something.
    #[cfg(feature = "redis")]
    pub(super) fn open(&self, extra_ca_file: Option<&str>) -> Result<Opened, LocationError> {
        let server = RedisServer::new(self.address()?, extra_ca_file).map_err(LocationError::RedisTls)?;
        let rate_limit = Arc::new(RedisBuckets::new(server.clone()));
        Ok(Opened { store: Arc::new(RedisStore::new(server)), rate_limit, opening: None })
    }

    #[cfg(not(feature = "redis"))]
    pub(super) fn open(&self, _: Option<&str>) -> Result<Opened, LocationError> {
        Err(LocationError::NotInThisBuild)
    }
}

impl std::fmt::Debug for RedisUrl {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("RedisUrl(…)")
    }
}

#[cfg(all(test, not(feature = "redis")))]
mod tests {
    use crate::oauth_store::{LocationError, StoreLocation};

    #[tokio::test]
    async fn a_build_without_redis_names_one_that_has_it() {
        let opened = StoreLocation::parse("redis://:secret@r.example").unwrap().open(None).await;
        let error = opened.map(drop).unwrap_err();
        assert_eq!(error, LocationError::NotInThisBuild);
        assert!(error.to_string().contains("--features full"), "{error}");
    }
}
