//! Whether a server is the primary and has replicas, and their word that a write has reached one of them.

use std::time::{Duration, Instant};

use redis::Value;

use crate::redis_server::{Connection, Fault, text_of};

/// What a primary said over one connection. Another connection may lead to another server.
#[derive(Clone, Copy)]
pub(super) enum Replicas {
    /// When it was asked, and whether a replica follows.
    Told(Instant, bool),
    /// Its user may not ask. It is taken for a primary, and cannot be asked to wait for what it hides.
    Hidden,
}

impl Replicas {
    /// Asks the server at the other end of `connection` whether one follows, and with that whether it is the primary: a
    /// replica may not know yet what was revoked there.
    ///
    /// # Errors
    /// Only with faults after which nothing was done; with the refusal `READONLY` where the server is a replica.
    pub(super) async fn of(connection: &Connection) -> Result<Self, Fault> {
        let section = match connection.command(redis::cmd("INFO").arg("replication")).await {
            Ok(answer) => text_of(answer).unwrap_or_default(),
            Err(Fault::Failed(_)) => return Ok(Self::Hidden),
            Err(Fault::Unanswered(cause)) => return Err(Fault::Unreachable(cause)),
            Err(fault) => return Err(fault),
        };
        if is_replica(&section) {
            return Err(Fault::Refused("READONLY the server is a replica".to_owned()));
        }
        Ok(Self::Told(Instant::now(), following(&section) > 0))
    }

    /// Whether a replica follows. Asks again now and then.
    ///
    /// # Errors
    /// As [`Replicas::of`].
    pub(super) async fn are_connected(&mut self, connection: &Connection) -> Result<bool, Fault> {
        if let Self::Told(asked, _) = *self
            && asked.elapsed() >= ASK_AGAIN
        {
            *self = Self::of(connection).await?;
        }
        Ok(matches!(self, Self::Told(_, true)))
    }
}

/// Waits until a replica has what was written over `connection`.
///
/// # Errors
/// Always with a fault after which the write may have been done, for it was.
pub(super) async fn confirm(connection: &Connection) -> Result<(), Fault> {
    let unconfirmed = match connection.command(redis::cmd("WAIT").arg(1).arg(WAIT_TIME.as_millis().to_string())).await {
        Ok(Value::Int(1..)) => return Ok(()),
        Ok(_) => "no replica has the write yet".to_owned(),
        Err(fault) => fault.to_string(),
    };
    Err(Fault::Unanswered(unconfirmed))
}

/// Whether the server is a replica itself, by the section `replication` of `INFO`. One that does not tell is none.
pub(super) fn is_replica(section: &str) -> bool {
    section.lines().find_map(|line| line.strip_prefix("role:")).is_some_and(|role| role != "master")
}

/// The number of replicas that follow, in the section `replication` of `INFO`. One that is still being filled confirms
/// nothing, and is not counted.
pub(super) fn following(section: &str) -> usize {
    section.lines().filter(|line| is_following(line)).count()
}

/// Whether a line tells of such a replica: `slave0:ip=10.0.0.2,port=6379,state=online,offset=14,lag=0`.
fn is_following(line: &str) -> bool {
    let Some((number, facts)) = line.strip_prefix("slave").and_then(|rest| rest.split_once(':')) else { return false };
    number.bytes().all(|byte| byte.is_ascii_digit()) && facts.split(',').any(|fact| fact == "state=online")
}

/// A replica on the same continent confirms within a tenth of this.
const WAIT_TIME: Duration = Duration::from_millis(500);
/// For so long a new replica may go unnoticed; it takes as long until a server passes writes on to it. For so long a
/// demoted primary may be read.
const ASK_AGAIN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_replicas_that_follow_are_counted() {
        let section = "# Replication\r\nrole:master\r\nconnected_slaves:2\r\n\
             slave0:ip=10.0.0.2,port=6379,state=online,offset=14,lag=0\r\n\
             slave1:ip=10.0.0.3,port=6379,state=wait_bgsave,offset=0,lag=0\r\n\
             slave_read_only:state=online\r\n";
        assert_eq!(following(section), 1);
        assert_eq!(following("role:master\r\nconnected_slaves:0\r\n"), 0);
    }

    #[test]
    fn what_says_that_it_follows_another_is_a_replica() {
        assert!(is_replica("# Replication\r\nrole:slave\r\nmaster_host:10.0.0.1\r\n"));
        assert!(!is_replica("# Replication\r\nrole:master\r\nconnected_slaves:1\r\n"));
        assert!(!is_replica(""));
    }
}
