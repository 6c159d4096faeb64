//! Whether a server is the primary, how many replicas a write needs, and their word that they have it.
//!
//! A primary that has lost its replica looks, after `repl-timeout`, as if it never had one. What it acknowledged then
//! would be lost when the replica is promoted. So a write needs as many replicas as the store's address says, else as
//! many as were ever seen following since the start.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use redis::Value;

use super::findings::evicts_lists;
use crate::redis_server::{Connection, EVICTS, Fault, text_of};

/// What a primary said over one connection. Another connection may lead to another server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Replicas {
    /// When it was asked, and how many replicas follow.
    Told(Instant, usize),
    /// Its user may not ask. It is taken for a primary with as many replicas as are needed: whether they have a write is
    /// asked when there is one.
    Hidden,
}

/// How many replicas a write needs.
#[derive(Debug)]
pub(super) struct Need {
    /// What the store's address says.
    set: Option<usize>,
    /// The largest number that was seen following since the start.
    seen: AtomicUsize,
}

/// What a write needs, and what there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Copies {
    /// How many replicas have to have it.
    pub(super) needed: usize,
    /// How many follow; `None` where that is hidden.
    pub(super) following: Option<usize>,
    /// Whether the store's address says how many are needed.
    pub(super) is_set: bool,
}

impl Replicas {
    /// Asks the server at the other end of `connection` how many follow, and with that whether it is the primary: a
    /// replica may not know yet what was revoked there. Nor is one of use that evicts what lists the records.
    ///
    /// # Errors
    /// Only with faults after which nothing was done; with the refusal `READONLY` where the server is a replica, with
    /// [`EVICTS`] where it evicts.
    pub(super) async fn of(connection: &Connection) -> Result<Self, Fault> {
        let section = match connection.command(redis::cmd("INFO").arg("replication").arg("memory")).await {
            Ok(answer) => text_of(answer).unwrap_or_default(),
            Err(Fault::Failed(_)) => return Ok(Self::Hidden),
            Err(Fault::Unanswered(cause)) => return Err(Fault::Unreachable(cause)),
            Err(fault) => return Err(fault),
        };
        if is_replica(&section) {
            return Err(Fault::Refused("READONLY the server is a replica".to_owned()));
        }
        if let Some(policy) = evicts_lists(&section) {
            return Err(Fault::Refused(format!("{EVICTS} its maxmemory-policy is {policy}; set noeviction")));
        }
        Ok(Self::Told(Instant::now(), following(&section)))
    }

    /// Whether it is time to ask again.
    pub(super) fn are_old(self) -> bool {
        self.is_older_than(ASK_AGAIN)
    }

    /// Whether it was said so long ago. What is hidden does not age.
    pub(super) fn is_older_than(self, age: Duration) -> bool {
        matches!(self, Self::Told(asked, _) if asked.elapsed() >= age)
    }

    fn following(self) -> Option<usize> {
        match self {
            Self::Told(_, following) => Some(following),
            Self::Hidden => None,
        }
    }
}

impl Need {
    /// As many as `set` says, else as many as will be seen.
    pub(super) fn new(set: Option<usize>) -> Self {
        Self { set, seen: AtomicUsize::new(0) }
    }

    /// Learns of `replicas`, and returns what a write needs and what there is.
    pub(super) fn see(&self, replicas: Replicas) -> Copies {
        let following = replicas.following();
        let before = self.seen.fetch_max(following.unwrap_or_default(), Ordering::Relaxed);
        if self.set.is_none()
            && let Some(following) = following.filter(|following| *following > before)
        {
            tracing::info!(event = "store_replicas", following, "writes wait for so many replicas from now on");
        }
        Copies { needed: self.count(), following, is_set: self.set.is_some() }
    }

    fn count(&self) -> usize {
        self.set.unwrap_or_else(|| self.seen.load(Ordering::Relaxed))
    }
}

impl Copies {
    /// Whether as many follow as are needed, as far as is known.
    pub(super) fn are_there(self) -> bool {
        self.following.is_none_or(|following| following >= self.needed)
    }

    /// What is missing, and what an operator can do about it.
    pub(super) fn shortage(self) -> String {
        let (needed, following) = (self.needed, self.following.unwrap_or_default());
        let why = if self.is_set {
            "as ?replicas= in the store's address says"
        } else {
            "as many as were seen since the start; where one was removed for good, restart this server, or write \
             ?replicas= and their number behind the store's address"
        };
        format!("a write needs {needed} replicas and {following} follow: {why}")
    }
}

/// Waits up to `time` until `needed` replicas have what was written over `connection`.
///
/// # Errors
/// Always with a fault after which the write may have been done, for it was.
pub(super) async fn confirm(connection: &Connection, needed: usize, time: Duration) -> Result<(), Fault> {
    let waited = connection.command(redis::cmd("WAIT").arg(needed).arg(time.as_millis().to_string())).await;
    match waited {
        Ok(Value::Int(count)) if usize::try_from(count).is_ok_and(|count| count >= needed) => Ok(()),
        Ok(Value::Int(count)) => {
            Err(Fault::Unconfirmed(format!("{count} of the {needed} replicas that it needs have it")))
        }
        Ok(other) => Err(Fault::Unconfirmed(format!("the server answers WAIT with {other:?}"))),
        Err(Fault::Refused(words) | Fault::Failed(words)) => Err(Fault::Unconfirmed(words)),
        Err(fault) => Err(Fault::Unanswered(fault.to_string())),
    }
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

    /// What is needed after each number of followers was seen, and whether it is there.
    #[track_caller]
    fn check(set: Option<usize>, seen: &[(Option<usize>, usize, bool)]) {
        let need = Need::new(set);
        for (following, needed, are_there) in seen {
            let replicas = following.map_or(Replicas::Hidden, |count| Replicas::Told(Instant::now(), count));
            let copies = need.see(replicas);
            assert_eq!((copies.needed, copies.are_there()), (*needed, *are_there), "{set:?} {following:?}");
        }
    }

    #[test]
    fn a_write_needs_the_replicas_that_are_set_or_the_most_that_were_seen() {
        check(None, &[(Some(0), 0, true), (Some(1), 1, true), (Some(0), 1, false), (Some(2), 2, true)]);
        check(None, &[(Some(2), 2, true), (Some(1), 2, false), (Some(2), 2, true)]);
        check(None, &[(None, 0, true), (None, 0, true)]);
        check(Some(1), &[(Some(0), 1, false), (None, 1, true), (Some(1), 1, true), (Some(3), 1, true)]);
        check(Some(0), &[(Some(1), 0, true), (Some(0), 0, true)]);
    }

    #[test]
    fn a_shortage_says_what_to_do() {
        let seen = Copies { needed: 1, following: Some(0), is_set: false };
        assert!(seen.shortage().starts_with("a write needs 1 replicas and 0 follow"), "{}", seen.shortage());
        assert!(seen.shortage().contains("restart"), "{}", seen.shortage());
        let set = Copies { is_set: true, ..seen };
        assert!(!set.shortage().contains("restart"), "{}", set.shortage());
    }
}
