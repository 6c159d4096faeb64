//! What `/readyz` tells, as JSON:
//!
//! ```text
//! {"status": "ready", "degraded", or why it is not ready,
//!  "store": {"state": "ok", "since": time},
//!  "sign_in": {"state": "away", "cause": "provider_too_many_requests", "status": 429, "since": time},
//!  "plausible": …, "documents": …, "sentry": …,
//!  "disk": {"state": "ok", "since": time, "free_bytes": number, "is_enough": boolean}}
//! ```

use http::StatusCode;
use serde_json::{Map, Value};

use super::NotReady;
use crate::parts::{Condition, Fault, Part, Parts};

/// An answer about readiness.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Report {
    /// The status of the answer.
    pub(crate) status: StatusCode,
    /// Its body.
    pub(crate) body: Value,
}

impl Report {
    pub(super) fn of(ready: Result<(), NotReady>, parts: &Parts) -> Self {
        let status = match ready {
            Ok(()) => StatusCode::OK,
            Err(NotReady::NotConfigured) => StatusCode::NOT_FOUND,
            Err(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        let is_degraded = || Part::ALL.iter().any(|part| parts.condition(*part).state.is_bad());
        let word = match ready {
            Ok(()) if is_degraded() => "degraded",
            Ok(()) => "ready",
            Err(reason) => reason.name(),
        };
        let mut body = Map::new();
        body.insert("status".to_owned(), word.into());
        body.extend(Part::ALL.map(|part| (part.name().to_owned(), member(part, parts))));
        Self { status, body: Value::Object(body) }
    }
}

fn member(part: Part, parts: &Parts) -> Value {
    let Condition { state, fault, since } = parts.condition(part);
    let mut member = Map::new();
    member.insert("state".to_owned(), state.name().into());
    if let Some(fault) = fault {
        member.insert("cause".to_owned(), fault.cause().into());
        member.extend(fault.status().map(|status| ("status".to_owned(), status.into())));
    }
    if fault == Some(Fault::Misconfigured) {
        member.extend(parts.wrong_setting().map(|setting| ("setting".to_owned(), setting.into())));
    }
    member.insert("since".to_owned(), format!("{since:.3}").into());
    if let (Part::Disk, Some(room)) = (part, parts.room()) {
        member.insert("free_bytes".to_owned(), room.free_bytes.into());
        member.insert("is_enough".to_owned(), fault.is_none().into());
    }
    Value::Object(member)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;
    use crate::parts::{Room, State};

    #[test]
    fn every_part_is_told_with_its_cause() {
        let parts = Parts::new(Metrics::new());
        parts.off(Part::Documents);
        parts.set(Part::Plausible, State::Degraded, Some(Fault::Status(503)));
        parts.disk_looked_at(Some(Room { free_bytes: 1 << 40 }), None);
        let Report { status, body } = Report::of(Ok(()), &parts);
        assert_eq!((status, &body["status"]), (StatusCode::OK, &"degraded".into()));
        let names: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, ["status", "store", "sign_in", "plausible", "documents", "sentry", "disk"]);
        let plausible = &body["plausible"];
        assert_eq!((&plausible["state"], &plausible["cause"]), (&"degraded".into(), &"upstream_status".into()));
        assert_eq!(plausible["status"], 503);
        assert!(plausible["since"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
        assert_eq!((&body["documents"]["state"], &body["sentry"]["state"]), (&"off".into(), &"unknown".into()));
        assert_eq!((&body["disk"]["free_bytes"], &body["disk"]["is_enough"]), (&(1_u64 << 40).into(), &true.into()));
        parts.disk_looked_at(Some(Room { free_bytes: 1 << 40 }), Some(Fault::DiskFull));
        let disk = Report::of(Ok(()), &parts).body["disk"].clone();
        assert_eq!((&disk["cause"], &disk["is_enough"]), (&"disk_full".into(), &false.into()), "a quota is used up");
    }

    #[test]
    fn the_setting_that_is_wrong_is_named() {
        let parts = Parts::new(Metrics::new());
        parts.settings_read(Some("COOKIE_ENCRYPTION_KEY".to_owned()));
        let Report { status, body } = Report::of(Err(NotReady::SignIn), &parts);
        assert_eq!((status, &body["status"]), (StatusCode::SERVICE_UNAVAILABLE, &"sign_in".into()));
        assert_eq!(body["sign_in"]["cause"], "misconfigured");
        assert_eq!(body["sign_in"]["setting"], "COOKIE_ENCRYPTION_KEY");
    }
}
