//! What an operator should know about the server: whether it answers, and what it may forget.

use std::time::Instant;

use redis::Value;

use super::super::{STORE_SETTING, self_test};
use super::replicas::{self, Copies, Replicas};
use super::{NAMES, OPERATION_TIME, RedisStore};
use crate::operator::{Finding, Level, Origin};
use crate::redis_server::{Connection, Fault, RedisAddress, text_of};

/// What a server says of itself; `None` where it does not tell.
#[derive(Debug, Default)]
struct Profile {
    /// All of `INFO`.
    info: Option<String>,
    /// `CONFIG GET appendfsync`.
    appendfsync: Option<String>,
    /// How many records it holds, those included that have just ended.
    records: i64,
}

pub(super) async fn of(store: &RedisStore) -> Vec<Finding> {
    let address = store.pool.server().address();
    let mut findings = Vec::from_iter(unencrypted(address));
    match ask(store).await {
        Ok(profile) => findings
            .extend(judge(address, &profile, |following| store.pool.see(Replicas::Told(Instant::now(), following)))),
        Err(fault) => findings.push(refused(address, &fault)),
    }
    if findings.iter().all(|finding| finding.level != Level::Error)
        && let Err(broken) = self_test::run(store).await
    {
        let text = format!("the store at {address} does not work: {broken}");
        findings.push(error(Origin::Answer, text, "the log has the server's words"));
    }
    findings
}

async fn ask(store: &RedisStore) -> Result<Profile, Fault> {
    let asked = async { profile(&store.pool.server().connect().await?).await };
    let asked = tokio::time::timeout(OPERATION_TIME, asked).await;
    asked.unwrap_or_else(|_| Err(Fault::Unreachable("no answer in time".to_owned())))
}

async fn profile(connection: &Connection) -> Result<Profile, Fault> {
    let records = match connection.command(redis::cmd("ZCARD").arg(NAMES)).await? {
        Value::Int(records) => records,
        other => return Err(Fault::Failed(format!("it answers ZCARD with {other:?}"))),
    };
    let info = told(connection.command(&redis::cmd("INFO")).await)?.and_then(text_of);
    let appendfsync = told(connection.command(redis::cmd("CONFIG").arg("GET").arg("appendfsync")).await)?;
    let appendfsync = appendfsync.and_then(|pairs| redis::from_redis_value::<Vec<String>>(pairs).ok());
    Ok(Profile { info, appendfsync: appendfsync.and_then(|pairs| pairs.into_iter().nth(1)), records })
}

/// The answer to a question that a managed service may forbid.
fn told(answer: Result<Value, Fault>) -> Result<Option<Value>, Fault> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(Fault::Failed(_) | Fault::Refused(_)) => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// `copies` tells how many replicas a write needs when so many follow.
fn judge(address: &RedisAddress, profile: &Profile, copies: impl FnOnce(usize) -> Copies) -> Vec<Finding> {
    let Some(info) = &profile.info else {
        return vec![warn(
            format!(
                "{address} answers, but INFO is forbidden: a replica is taken for the primary, no write is confirmed \
                 by one unless ?replicas= in the store's address says so, and what may be forgotten could not be asked"
            ),
            "allow INFO to this user, or see that appendonly is on and nothing is evicted",
        )];
    };
    let mut findings = vec![answers(address, info, profile.records)];
    findings.push(role(info, copies));
    findings.extend(durability(info, profile.appendfsync.as_deref()));
    findings.extend(eviction(info));
    findings
}

fn answers(address: &RedisAddress, info: &str, records: i64) -> Finding {
    let server = match (field(info, "valkey_version"), field(info, "redis_version")) {
        (Some(version), _) => format!("Valkey {version}"),
        (None, Some(version)) => format!("Redis {version}"),
        (None, None) => "a server that hides its version".to_owned(),
    };
    fine(format!("{address} answers: {server}, {records} records"))
}

fn role(info: &str, copies: impl FnOnce(usize) -> Copies) -> Finding {
    if replicas::is_replica(info) {
        let text = "the server is a replica, which refuses writes and may be behind".to_owned();
        return error(Origin::Answer, text, "give the address of the primary");
    }
    let following = replicas::following(info);
    let copies = copies(following);
    if !copies.are_there() {
        let text =
            format!("{}; until then sign-ins, refreshes and revocations are answered with 503", copies.shortage());
        return error(Origin::Unreachable, text, "bring the replicas back");
    }
    match (following, copies.needed) {
        (0, _) => fine(
            "no replica follows: a write is answered when this one server has it; where one should follow, write \
             ?replicas=1 behind the store's address"
                .to_owned(),
        ),
        (following, 0) => warn(
            format!("{following} following, and no write waits for them: a failover may forget what was revoked"),
            "write ?replicas=1 behind the store's address",
        ),
        (following, needed) => {
            fine(format!("{following} following: a write is answered when {needed} of them have it (WAIT {needed})"))
        }
    }
}

fn durability(info: &str, appendfsync: Option<&str>) -> Option<Finding> {
    match (field(info, "aof_enabled"), appendfsync) {
        (Some("1"), Some("always")) => None,
        (Some("1"), Some(policy)) => Some(warn(
            format!("appendfsync is {policy}: a crash of the machine may forget what was written last"),
            "set appendfsync always, or live with a second",
        )),
        (Some("1"), None) => Some(warn(
            "appendonly is on; CONFIG is forbidden, so appendfsync could not be asked".to_owned(),
            "unless it is always, a crash of the machine may forget what was written last",
        )),
        (Some(_), _) => Some(warn(
            "appendonly is off: a restart forgets what was written since the last snapshot".to_owned(),
            "set appendonly yes",
        )),
        (None, _) => Some(warn(
            "whether appendonly is on could not be asked".to_owned(),
            "without it a restart forgets what was written since the last snapshot",
        )),
    }
}

/// Every record has a time to live, so `volatile-*` may evict it: its sign-in ends early, and that is all, for what is
/// missing is refused.
fn eviction(info: &str) -> Option<Finding> {
    let advice = "set maxmemory-policy noeviction";
    if let Some(policy) = evicts_lists(info) {
        let text = format!(
            "maxmemory-policy is {policy}: when memory is full, a revocation may miss grants, so /internal is answered \
             with 503 until that is changed"
        );
        return Some(error(Origin::Answer, text, advice));
    }
    let policy = evicting(info)?;
    Some(warn(format!("maxmemory-policy is {policy}: when memory is full, sign-ins end early"), advice))
}

/// The policy of a server that may evict the sets that list the records, which have no time to live: grants would be
/// missed by a revocation, and that must not be.
pub(super) fn evicts_lists(info: &str) -> Option<&str> {
    evicting(info).filter(|policy| !policy.starts_with("volatile-"))
}

/// The policy of a server that may evict anything.
fn evicting(info: &str) -> Option<&str> {
    let policy = field(info, "maxmemory_policy")?;
    (policy != "noeviction" && field(info, "maxmemory") != Some("0")).then_some(policy)
}

fn unencrypted(address: &RedisAddress) -> Option<Finding> {
    let open = !address.is_encrypted() && !address.is_loopback();
    open.then(|| Finding {
        origin: Origin::Settings,
        ..warn(
            format!("records, which are sealed, and the password, which is not, travel to {address} unencrypted"),
            "use rediss://, or keep the way there to yourself",
        )
    })
}

fn refused(address: &RedisAddress, fault: &Fault) -> Finding {
    let origin = if fault.will_pass() { Origin::Unreachable } else { Origin::Answer };
    let advice = "start the server or mend its address; until it answers, sign-in is answered with 503";
    error(origin, format!("{address} {fault}"), advice)
}

fn fine(text: String) -> Finding {
    Finding { level: Level::Ok, origin: Origin::Answer, setting: STORE_SETTING.to_owned(), text, advice: String::new() }
}

fn warn(text: String, advice: &str) -> Finding {
    Finding { level: Level::Warn, advice: advice.to_owned(), ..fine(text) }
}

fn error(origin: Origin, text: String, advice: &str) -> Finding {
    Finding { level: Level::Error, origin, advice: advice.to_owned(), ..fine(text) }
}

/// A value in `INFO`.
fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
}

#[cfg(test)]
mod tests {
    use super::super::replicas::Need;
    use super::*;

    const SOUND: &str = "redis_version:7.0.15\r\nrole:master\r\nconnected_slaves:0\r\naof_enabled:1\r\n\
                         maxmemory:1048576\r\nmaxmemory_policy:noeviction\r\n";

    /// What is said about a server of which one line of `INFO` is another, with its level.
    #[track_caller]
    fn check(line: &str, other: &str, appendfsync: Option<&str>, expected: &[(Level, &str)]) {
        let address = "redis://127.0.0.1:6379".parse().unwrap();
        assert!(SOUND.contains(line), "{line}");
        let info = Some(SOUND.replace(line, other));
        let profile = Profile { info, appendfsync: appendfsync.map(str::to_owned), records: 3 };
        let found =
            judge(&address, &profile, |following| Need::new(None).see(Replicas::Told(Instant::now(), following)));
        assert_eq!(found.len(), expected.len() + 1, "{found:?}");
        for (found, (level, words)) in found.iter().skip(1).zip(expected) {
            assert!(found.level == *level && found.text.contains(words), "{found:?} is not {words}");
        }
    }

    #[test]
    fn a_sound_server_is_fine_and_what_it_may_forget_is_said() {
        let alone = (Level::Ok, "no replica follows");
        let always = Some("always");
        check("", "", always, &[alone]);
        check("", "", Some("everysec"), &[alone, (Level::Warn, "appendfsync is everysec")]);
        check("", "", None, &[alone, (Level::Warn, "could not be asked")]);
        check("aof_enabled:1", "aof_enabled:0", always, &[alone, (Level::Warn, "appendonly is off")]);
        check("aof_enabled:1", "aof:1", always, &[alone, (Level::Warn, "could not be asked")]);
        check("role:master", "role:slave", always, &[(Level::Error, "is a replica")]);
        let replica = "role:master\r\nslave0:ip=10.0.0.2,port=6379,state=online,offset=1,lag=0";
        check("role:master", replica, always, &[(Level::Ok, "WAIT 1")]);
    }

    #[test]
    fn missing_replicas_are_an_outage_and_ignored_ones_a_risk() {
        let one = "role:master\r\nslave0:ip=10.0.0.2,port=6379,state=online,offset=1,lag=0";
        let alone = "role:master";
        let judged = |info: &str, set, seen| {
            let need = Need::new(set);
            need.see(Replicas::Told(Instant::now(), seen));
            role(info, |following| need.see(Replicas::Told(Instant::now(), following)))
        };
        for (set, seen) in [(None, 1), (Some(1), 0), (Some(2), 2)] {
            let found = judged(alone, set, seen);
            assert_eq!((found.level, found.origin), (Level::Error, Origin::Unreachable), "{found:?}");
            assert!(found.text.contains("503"), "{found:?}");
        }
        assert_eq!(judged(one, Some(2), 0).level, Level::Error);
        assert_eq!(judged(one, Some(0), 1).level, Level::Warn);
        assert_eq!(judged(alone, Some(0), 1).level, Level::Ok);
        assert!(judged(one, Some(1), 2).text.contains("WAIT 1"));
        assert!(judged(alone, None, 0).text.contains("?replicas=1"));
    }

    #[test]
    fn eviction_is_judged_by_what_it_may_take() {
        let alone = (Level::Ok, "no replica follows");
        let all = "maxmemory_policy:allkeys-lru";
        check("maxmemory_policy:noeviction", all, Some("always"), &[alone, (Level::Error, "may miss grants")]);
        let volatile = "maxmemory_policy:volatile-ttl";
        check("maxmemory_policy:noeviction", volatile, Some("always"), &[alone, (Level::Warn, "end early")]);
        let unlimited = "maxmemory:0\r\nmaxmemory_policy:allkeys-lru";
        check("maxmemory:1048576\r\nmaxmemory_policy:noeviction", unlimited, Some("always"), &[alone]);
    }

    #[test]
    fn only_an_open_way_is_warned_about() {
        let warned = |address: &str| unencrypted(&address.parse().unwrap()).is_some();
        assert!(warned("redis://:secret@redis.example"));
        assert!(!warned("rediss://redis.example") && !warned("redis://localhost") && !warned("redis://[::1]"));
    }
}
