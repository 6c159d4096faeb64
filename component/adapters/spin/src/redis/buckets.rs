//! Buckets.

use super::{Reply, Server};
use crate::bucket::{Buckets, Decision, Quota};

/// Buckets on a server, by its clock. A bucket that has filled up takes no memory there.
pub struct RedisBuckets<'a, S>(pub &'a S);

impl<S: Server> Buckets for RedisBuckets<'_, S> {
    /// Where the server refuses or fails, all is allowed: what needs the store fails by itself, and `/mcp`, which needs
    /// none, goes on.
    fn check(&self, key: &str, quota: Quota, cost: u32) -> Decision {
        let name = format!("{BUCKET}{}", quota.bucket(key));
        let numbers = [quota.limit(), quota.window_seconds(), cost.min(quota.limit())];
        let numbers = numbers.map(|number| number.to_string().into_bytes());
        let arguments: Vec<&[u8]> = numbers.iter().map(Vec::as_slice).collect();
        let answer = self.0.eval(SCRIPT, &[&name], &arguments).unwrap_or_default();
        match answer.as_slice() {
            [Reply::Integer(1), Reply::Integer(left)] => Decision::Allowed(u32::try_from(*left).unwrap_or(0)),
            [Reply::Integer(0), Reply::Integer(wait)] => Decision::RetryAfter(u32::try_from(*wait).unwrap_or(1).max(1)),
            _ => Decision::Allowed(0),
        }
    }
}

const BUCKET: &str = "{plausible-mcp}:bucket/";
const SCRIPT: &str = include_str!("lua/bucket.lua");

#[cfg(test)]
pub(super) const SCRIPT_FILE: (&str, &str) = (SCRIPT, "rate_limit/bucket.lua");

#[cfg(test)]
mod tests {
    use super::super::Fault;
    use super::super::tests::Prepared;
    use super::*;

    #[test]
    fn the_script_decides_and_without_it_all_is_allowed() {
        let check = |answer| RedisBuckets(&Prepared::new([answer])).check("a", Quota::new(3, 60), 99);
        assert_eq!(check(Ok(vec![Reply::Integer(1), Reply::Integer(2)])), Decision::Allowed(2));
        assert_eq!(check(Ok(vec![Reply::Integer(0), Reply::Integer(20)])), Decision::RetryAfter(20));
        assert_eq!(check(Err(Fault::Unknown)), Decision::Allowed(0));
        assert_eq!(check(Ok(vec![Reply::Nil])), Decision::Allowed(0));
    }

    #[test]
    fn a_cost_above_the_limit_is_the_limit() {
        let server = Prepared::new([Err(Fault::Refused)]);
        RedisBuckets(&server).check("a", Quota::new(3, 60), 99);
        assert_eq!(server.asked.borrow()[0].1, [b"3".to_vec(), b"60".to_vec(), b"3".to_vec()]);
    }
}
