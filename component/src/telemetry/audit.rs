//! The lines that say who was let in, by which client, and whose access has ended. They name a user by the keyed hash of
//! the address, as everything in the log does, and hold no token. They are written at every log level: who asks later
//! who was let in must not depend on it.

use serde_json::Value;

use super::request_id::RequestId;
use crate::legible::legible;
use crate::ports::Timestamp;

/// Something that an audit asks about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    event: &'static str,
    members: Vec<(&'static str, Value)>,
}

impl Act {
    /// A user signed in with a client, which was given tokens.
    pub fn signed_in(user: &str, client_id: &str, grant: &str) -> Act {
        Act::of_grant("signed_in", user, client_id, grant)
    }

    /// A client was given new tokens for a sign-in that stands.
    pub fn refreshed(user: &str, client_id: &str, grant: &str) -> Act {
        Act::of_grant("refreshed", user, client_id, grant)
    }

    /// A client gave an access token back; the sign-in stands.
    pub fn token_revoked(user: &str, client_id: &str, grant: &str) -> Act {
        Act::of_grant("token_revoked", user, client_id, grant)
    }

    /// A client ended a sign-in.
    pub fn grant_revoked(user: &str, client_id: &str, grant: &str) -> Act {
        Act::of_grant("grant_revoked", user, client_id, grant)
    }

    /// A sign-in ended because a code or a token came a second time; `cause` is which. `client_id` sent it.
    pub fn grant_ended(client_id: &str, grant: &str, cause: &'static str) -> Act {
        let members = [("client_id", client_id), ("grant", grant), ("cause", cause)];
        Act { event: "grant_ended", members: members.map(|(name, value)| (name, value.into())).into() }
    }

    /// The operator ended the sign-ins of a user, or everybody's (`None`): how many for good, and how many without a
    /// confirmation.
    pub fn grants_revoked(user: Option<&str>, revoked: u32, unconfirmed: u32) -> Act {
        let whose = user.map_or(("all", Value::Bool(true)), |user| ("user", user.into()));
        let members = vec![whose, ("revoked", revoked.into()), ("unconfirmed", unconfirmed.into())];
        Act { event: "grants_revoked", members }
    }

    /// The operator tried to, and the store failed on the way: some may have ended.
    pub fn grants_not_revoked(is_for_all: bool, cause: &'static str) -> Act {
        Act { event: "grants_not_revoked", members: vec![("all", is_for_all.into()), ("cause", cause.into())] }
    }

    fn of_grant(event: &'static str, user: &str, client_id: &str, grant: &str) -> Act {
        let members = [("user", user), ("client_id", client_id), ("grant", grant)];
        Act { event, members: members.map(|(name, value)| (name, value.into())).into() }
    }

    /// The line, without its end.
    pub fn line(&self, now: Timestamp, request_id: Option<&RequestId>) -> String {
        let level = if self.event == "grants_not_revoked" { "error" } else { "info" };
        let mut line = format!("{{\"ts\":\"{}\",\"level\":\"{level}\",\"event\":\"{}\"", now.iso(), self.event);
        if let Some(request_id) = request_id {
            line.push_str(&format!(",\"request_id\":\"{request_id}\""));
        }
        for (name, value) in &self.members {
            line.push_str(&format!(",\"{name}\":{value}"));
        }
        line.push('}');
        legible(&line).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_json_whatever_a_client_calls_itself() {
        let act = Act::signed_in("0a", "https://app.example/\"\u{202e}x", "1b");
        let line = act.line(Timestamp(0), None);
        let read: Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&read["event"], &read["user"], &read["grant"]), (&"signed_in".into(), &"0a".into(), &"1b".into()));
        assert_eq!(read["client_id"], "https://app.example/\"\u{fffd}x");
        assert_eq!((&read["ts"], &read["level"]), (&"1970-01-01T00:00:00.000Z".into(), &"info".into()));
    }

    #[test]
    fn the_operators_revocation_names_a_user_id_or_everybody() {
        let read = |act: Act| serde_json::from_str::<Value>(&act.line(Timestamp(0), None)).unwrap();
        let one = read(Act::grants_revoked(Some("0a"), 2, 1));
        assert_eq!((&one["user"], &one["revoked"], &one["unconfirmed"]), (&"0a".into(), &2.into(), &1.into()));
        assert_eq!(read(Act::grants_revoked(None, 0, 0))["all"], true);
        assert_eq!(read(Act::grants_not_revoked(true, "store_unavailable"))["level"], "error");
    }
}
