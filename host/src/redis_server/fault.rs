//! Why a command has no answer, and whether it may have been executed.

use redis::{ErrorKind, RedisError};

/// What went wrong with a command. The texts are the server's or the system's; none contains a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// There is no connection, so nothing was sent. The cause.
    Unreachable(String),
    /// The server refused the command and did nothing. Its words, which begin with a code.
    Refused(String),
    /// The server failed in the middle of the command. Its words.
    Failed(String),
    /// The command was sent, and no answer came. The cause.
    Unanswered(String),
    /// The server executed the command, and too few replicas have what it did or found. The numbers.
    Unconfirmed(String),
}

/// What a fault is about, as far as it makes a difference to an operator.
enum Trouble {
    Unreachable,
    Unanswered,
    Replicas,
    Full,
    IsReplica,
    Evicts,
    SignIn,
    Busy,
    Disk,
    Other,
}

impl Fault {
    /// What the answer `error` of the library means for a command that was sent.
    pub(super) fn of(error: &RedisError) -> Self {
        let Some(code) = error.code() else { return Self::Unanswered(error.to_string()) };
        let words = format!("{code} {}", error.detail().unwrap_or_default());
        if REFUSALS.contains(&code) { Self::Refused(words) } else { Self::Failed(words) }
    }

    /// What the same means before anything was sent.
    pub(super) fn of_connecting(error: &RedisError) -> Self {
        match Self::of(error) {
            Self::Refused(words) | Self::Failed(words) => Self::Refused(words),
            // The library keeps the server's words for itself.
            _ if error.kind() == ErrorKind::AuthenticationFailed => {
                Self::Refused("WRONGPASS user or password is wrong".to_owned())
            }
            Self::Unanswered(cause) | Self::Unreachable(cause) | Self::Unconfirmed(cause) => Self::Unreachable(cause),
        }
    }

    /// Whether the server only needs time: it loads, is busy, or waits for others.
    pub(crate) fn will_pass(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Unanswered(_) | Self::Unconfirmed(_) => true,
            Self::Refused(words) => words.split(' ').next().is_some_and(|code| PASSING.contains(&code)),
            Self::Failed(_) => false,
        }
    }

    /// Whether the command certainly changed nothing.
    pub(crate) fn nothing_was_done(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Refused(_))
    }

    /// Whether the server works, and its replicas are missing.
    pub(crate) fn is_of_replicas(&self) -> bool {
        matches!(self, Self::Unconfirmed(_)) || self.has_code("NOREPLICAS")
    }

    /// The name of the cause, for the log.
    pub(crate) fn cause(&self) -> &'static str {
        match self.trouble() {
            Trouble::Unreachable => "store_unreachable",
            Trouble::Unanswered => "store_unanswered",
            Trouble::Replicas => "store_replicas_missing",
            Trouble::Full => "store_full",
            Trouble::IsReplica => "store_is_replica",
            Trouble::Evicts => "store_evicts",
            Trouble::SignIn => "store_sign_in",
            Trouble::Busy => "store_busy",
            Trouble::Disk => "store_disk_failed",
            Trouble::Other => "store_refuses",
        }
    }

    fn trouble(&self) -> Trouble {
        let code = match self {
            Self::Unreachable(_) => return Trouble::Unreachable,
            Self::Unanswered(_) => return Trouble::Unanswered,
            Self::Unconfirmed(_) => return Trouble::Replicas,
            Self::Refused(words) | Self::Failed(words) => words.split(' ').next().unwrap_or_default(),
        };
        match code {
            "OOM" => Trouble::Full,
            "NOREPLICAS" => Trouble::Replicas,
            "READONLY" | "MASTERDOWN" => Trouble::IsReplica,
            EVICTS => Trouble::Evicts,
            "NOAUTH" | "WRONGPASS" | "NOPERM" => Trouble::SignIn,
            "LOADING" | "BUSY" | "TRYAGAIN" | "CLUSTERDOWN" => Trouble::Busy,
            "MISCONF" => Trouble::Disk,
            _ => Trouble::Other,
        }
    }

    /// Whether the server answered with this code.
    pub(crate) fn has_code(&self, code: &str) -> bool {
        matches!(self, Self::Refused(words) | Self::Failed(words) if words.split(' ').next() == Some(code))
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unreachable(cause) => write!(out, "cannot be reached: {cause}"),
            Self::Refused(words) => write!(out, "refuses: {words}"),
            Self::Failed(words) => write!(out, "failed: {words}"),
            Self::Unanswered(cause) => write!(out, "did not answer: {cause}"),
            Self::Unconfirmed(cause) => write!(out, "is not confirmed: {cause}"),
        }
    }
}

/// The codes with which a server says that it did not begin. Inside a script the server checks memory, disk, replicas
/// and its role before the first write only (`scriptVerifyOOM` and its neighbours in Redis 7's `script.c`), so these
/// hold for a script too. `NOPERM` is not among them: a script meets it at any of its commands.
const REFUSALS: [&str; 16] = [
    "ASK",
    "BUSY",
    "CLUSTERDOWN",
    "CROSSSLOT",
    "DENIED",
    "LOADING",
    "MASTERDOWN",
    "MISCONF",
    "MOVED",
    "NOAUTH",
    "NOREPLICAS",
    "NOSCRIPT",
    "OOM",
    "READONLY",
    "TRYAGAIN",
    "WRONGPASS",
];

/// The code of our own refusal of a server that evicts what must not be evicted.
pub(crate) const EVICTS: &str = "EVICTS";

/// Those of them that end without anybody's help.
const PASSING: [&str; 6] = ["BUSY", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "NOREPLICAS", "TRYAGAIN"];

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn fault(reply: &str) -> Fault {
        Fault::of(&redis::parse_redis_value(reply.as_bytes()).unwrap().extract_error().unwrap_err())
    }

    #[test]
    fn a_refusal_did_nothing_and_anything_else_may_have() {
        for code in REFUSALS {
            let refused = fault(&format!("-{code} because\r\n"));
            assert_eq!(refused, Fault::Refused(format!("{code} because")));
            assert!(refused.nothing_was_done() && refused.has_code(code));
        }
        for words in ["ERR something", "NOPERM this user has no permissions", "WRONGTYPE a list"] {
            let failed = fault(&format!("-{words}\r\n"));
            assert_eq!(failed, Fault::Failed(words.to_owned()));
            assert!(!failed.nothing_was_done());
        }
    }

    #[test]
    fn a_broken_connection_may_have_done_it() {
        let broken = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        assert!(matches!(Fault::of(&broken.into()), Fault::Unanswered(_)));
    }

    #[test]
    fn while_connecting_nothing_was_done() {
        let error =
            redis::parse_redis_value(b"-ERR DB index is out of range\r\n").unwrap().extract_error().unwrap_err();
        assert_eq!(Fault::of_connecting(&error), Fault::Refused("ERR DB index is out of range".to_owned()));
        let error = RedisError::from((ErrorKind::AuthenticationFailed, "no"));
        assert!(Fault::of_connecting(&error).has_code("WRONGPASS"));
        let closed = std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
        assert!(matches!(Fault::of_connecting(&closed.into()), Fault::Unreachable(_)));
    }

    #[test]
    fn a_cause_is_named_by_the_servers_code() {
        for (reply, cause) in [
            ("-OOM command not allowed when used memory > 'maxmemory'.\r\n", "store_full"),
            ("-READONLY You can't write against a read only replica.\r\n", "store_is_replica"),
            ("-WRONGPASS invalid username-password pair\r\n", "store_sign_in"),
            ("-LOADING Redis is loading the dataset in memory\r\n", "store_busy"),
            ("-NOREPLICAS Not enough good replicas to write.\r\n", "store_replicas_missing"),
            ("-MISCONF Redis is configured to save RDB snapshots\r\n", "store_disk_failed"),
            ("-ERR something\r\n", "store_refuses"),
        ] {
            assert_eq!(fault(reply).cause(), cause);
        }
        assert_eq!(Fault::Refused(format!("{EVICTS} allkeys-lru")).cause(), "store_evicts");
        assert_eq!(Fault::Unreachable("EVICTS".to_owned()).cause(), "store_unreachable");
    }

    #[test]
    fn what_only_needs_time_is_known() {
        assert!(fault("-LOADING Redis is loading\r\n").will_pass() && fault("-BUSY script\r\n").will_pass());
        let missing = fault("-NOREPLICAS Not enough good replicas to write.\r\n");
        assert!(missing.will_pass() && missing.is_of_replicas() && missing.nothing_was_done());
        let unconfirmed = Fault::Unconfirmed("0 of 1".to_owned());
        assert!(unconfirmed.will_pass() && unconfirmed.is_of_replicas() && !unconfirmed.nothing_was_done());
        assert!(!fault("-NOAUTH Authentication required\r\n").will_pass() && !fault("-ERR no\r\n").will_pass());
    }
}
