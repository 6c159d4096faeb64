//! Buckets in Redis or Valkey, so that several machines limit together. When the server does not answer, each machine
//! limits by itself at once.

mod link;

use std::num::NonZeroU32;
use std::pin::Pin;
use std::time::{Duration, Instant};

use redis::Value;
use sha2::{Digest as _, Sha256};
use tokio::time::timeout;

use super::{Decision, MemoryBuckets, Quota, RateLimit};
use crate::redis_server::{Connection, Fault, RedisServer, Script};
use crate::seldom::Seldom;
use link::Link;

/// Buckets on one server, by its clock. A bucket that has filled up takes no memory there.
pub struct RedisBuckets {
    link: Link,
    script: Script,
    own: MemoryBuckets,
    complaints: Seldom,
}

impl RedisBuckets {
    /// The buckets on `server`, which is asked over one connection. Connects when it is first asked for something.
    pub fn new(server: RedisServer) -> Self {
        Self {
            link: Link::new(server),
            script: Script::new(include_str!("bucket.lua")),
            own: MemoryBuckets::default(),
            complaints: Seldom::default(),
        }
    }

    async fn take(&self, key: &str, quota: Quota, cost: NonZeroU32) -> Decision {
        match self.shared(key, quota, cost).await {
            Ok(decision) => decision,
            Err(fault) => {
                self.complain(&fault);
                self.own.take(key, quota, cost.get())
            }
        }
    }

    async fn shared(&self, key: &str, quota: Quota, cost: NonZeroU32) -> Result<Decision, Fault> {
        let connection = self.link.connection(CHECK_TIME).await?;
        let asked = timeout(CHECK_TIME, self.ask(&connection, key, quota, cost)).await;
        let decision = asked.unwrap_or_else(|_| Err(Fault::Unanswered("no answer in time".to_owned())));
        if let Err(fault) = &decision {
            self.link.replace(&connection, fault);
        }
        decision
    }

    async fn ask(&self, connection: &Connection, key: &str, quota: Quota, cost: NonZeroU32) -> Result<Decision, Fault> {
        let (limit, window) = (quota.limit.max(1), quota.window_seconds.max(1));
        let cost = cost.get().min(limit);
        let numbers = [limit, window, cost].map(|number| number.to_string().into_bytes());
        let arguments: Vec<&[u8]> = numbers.iter().map(Vec::as_slice).collect();
        decision(connection.run(&self.script, &[&bucket_of(key, limit, window)], &arguments).await?)
    }

    fn complain(&self, fault: &Fault) {
        if self.complaints.is_due(Instant::now()) {
            let server = self.link.server().address();
            tracing::warn!(event = "limits_alone", %server, cause = %fault, "rate limits are kept by this process alone");
        }
    }
}

impl RateLimit for RedisBuckets {
    fn check<'a>(
        &'a self,
        key: &'a str,
        quota: Quota,
        cost: u32,
    ) -> Pin<Box<dyn Future<Output = Decision> + Send + 'a>> {
        Box::pin(async move {
            match NonZeroU32::new(cost) {
                Some(cost) => self.take(key, quota, cost).await,
                None => Decision::Allowed(0),
            }
        })
    }
}

/// The name of a bucket. Keys hold addresses of people, which are no business of who reads the server's files or its
/// memory; a hash also bounds the length.
fn bucket_of(key: &str, limit: u32, window: u32) -> String {
    let mut hash = base16ct::lower::encode_string(&Sha256::digest(key));
    hash.truncate(2 * HASH_BYTES);
    format!("{BUCKET}{limit}/{window}/{hash}")
}

fn decision(answer: Value) -> Result<Decision, Fault> {
    let strange = || Fault::Failed("an answer of another form".to_owned());
    let (allowed, number): (bool, i64) = redis::from_redis_value(answer).map_err(|_| strange())?;
    let number = u32::try_from(number).map_err(|_| strange())?;
    Ok(if allowed { Decision::Allowed(number) } else { Decision::RetryAfter(number) })
}

const BUCKET: &str = "{plausible-mcp}:bucket/";
/// Half of SHA-256: nobody finds two keys with the same half.
const HASH_BYTES: usize = 16;
/// The longest that a request waits for each of its two or three limits. A server in the same data centre answers
/// within a hundredth of it.
const CHECK_TIME: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_named_by_quota_and_hash() {
        let name = bucket_of("address/203.0.113.9", 600, 60);
        assert!(name.starts_with("{plausible-mcp}:bucket/600/60/") && name.len() == 62, "{name}");
        assert!(!name.contains("203.0.113.9"));
        assert_ne!(name, bucket_of("address/203.0.113.8", 600, 60));
        assert_ne!(name, bucket_of("address/203.0.113.9", 600, 61));
    }

    #[test]
    fn an_answer_of_another_form_is_a_fault() {
        let answer = |first, second| Value::Array(vec![Value::Int(first), Value::Int(second)]);
        assert_eq!(decision(answer(1, 5)), Ok(Decision::Allowed(5)));
        assert_eq!(decision(answer(0, 7)), Ok(Decision::RetryAfter(7)));
        assert!(decision(answer(1, -1)).is_err() && decision(Value::Nil).is_err());
    }
}
