//! Which part an exchange with an upstream is with, and what its outcome tells about that part.

use super::sign_in::Asked;
use super::{Fault, Part, State};
use crate::bindings::outbound_http as wit;

/// An exchange, as far as its outcome tells something.
#[derive(Debug)]
pub(crate) struct Exchange {
    part: Part,
    url: String,
    is_document: bool,
}

/// What an exchange tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Observation {
    /// The part does what it is asked, whatever it answers. What was asked, where that matters.
    Answered(Option<Asked>),
    /// It does not.
    Failed {
        /// What was asked, where that matters.
        asked: Option<Asked>,
        state: State,
        fault: Fault,
    },
    /// Nothing about the part.
    Nothing,
}

/// The part that `request` goes to. Whatever the component says of it, an address that an outsider chose is that of a
/// document.
fn part_of(request: &wit::Request) -> Part {
    match (request.reach, request.upstream) {
        (wit::Reach::PublicInternet, _) | (_, wit::Upstream::ClientDocument) => Part::Documents,
        (_, wit::Upstream::Plausible) => Part::Plausible,
        (_, wit::Upstream::IdentityProvider) => Part::SignIn,
        (_, wit::Upstream::Telemetry) => Part::Sentry,
    }
}

impl Exchange {
    /// The exchange that `request` begins.
    pub(crate) fn of(request: &wit::Request) -> Self {
        let (part, url) = (part_of(request), without_query(&request.url).to_owned());
        Self { part, url, is_document: request.method == wit::Method::Get }
    }

    /// The part that it is with.
    pub(super) fn part(&self) -> Part {
        self.part
    }

    /// What its outcome tells about the part.
    pub(super) fn tells(&self, outcome: &Result<wit::Response, wit::Error>) -> Observation {
        let asked = || {
            let is_provider = self.part == Part::SignIn;
            is_provider.then(|| Asked { url: self.url.clone(), is_document: self.is_document })
        };
        let failed = |state, fault| Observation::Failed { asked: asked(), state, fault };
        match outcome {
            Ok(response) => match self.part.judge(response, self.is_document) {
                None => Observation::Answered(asked()),
                Some((state, fault)) => failed(state, fault),
            },
            Err(error) => match (self.part, state_after(error)) {
                (_, None) => Observation::Nothing,
                // One host says nothing about the others.
                (Part::Documents, Some(_)) => failed(State::Degraded, error.into()),
                (Part::SignIn, Some(_)) => failed(State::Away, error.into()),
                (_, Some(state)) => failed(state, error.into()),
            },
        }
    }
}

impl Part {
    /// What is wrong with an answer. A refusal of what a caller sent (4xx) is none of the part's.
    fn judge(self, response: &wit::Response, is_document: bool) -> Option<(State, Fault)> {
        let status = response.status;
        let is_object = || response.body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
        match (self, status) {
            (Self::SignIn, 200) if is_document && !is_object() => Some((State::Away, Fault::NotJson)),
            (Self::Documents, _) | (Self::SignIn, 200) => None,
            (Self::SignIn, _) if is_document => Some((State::Away, Fault::ProviderStatus(status))),
            (Self::SignIn, 500..) => Some((State::Away, Fault::ProviderStatus(status))),
            (Self::SignIn, 429) => Some((State::Degraded, Fault::ProviderStatus(status))),
            // Whoever asks Plausible chose neither its address nor what it redirects to.
            (Self::Plausible, 300..400) => Some((State::Away, Fault::Status(status))),
            (Self::Sentry, 429) | (_, 500..) => Some((State::Degraded, Fault::Status(status))),
            _ => None,
        }
    }
}

/// How a part is whose exchange came to this error; `None` where that says nothing about it.
fn state_after(error: &wit::Error) -> Option<State> {
    match error {
        wit::Error::NameNotResolved
        | wit::Error::ConnectFailed
        | wit::Error::TlsFailed
        | wit::Error::OutOfService(_) => Some(State::Away),
        // A single question may take too long.
        wit::Error::Interrupted | wit::Error::TimedOut | wit::Error::MalformedResponse => Some(State::Degraded),
        wit::Error::InvalidRequest
        | wit::Error::ReachUnsupported
        | wit::Error::AddressRefused
        | wit::Error::NotAllowed
        | wit::Error::ResponseTooLarge
        | wit::Error::Busy(_)
        | wit::Error::AskedToWait(_) => None,
    }
}

fn without_query(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(upstream: wit::Upstream, reach: wit::Reach) -> wit::Request {
        wit::Request {
            upstream,
            method: wit::Method::Get,
            url: "https://a.example/b".to_owned(),
            headers: Vec::new(),
            body: None,
            timeout_milliseconds: 1000,
            max_response_bytes: 1000,
            reach,
            coalesce: None,
        }
    }

    fn answer(status: u16, body: &str) -> Result<wit::Response, wit::Error> {
        Ok(wit::Response { status, headers: Vec::new(), body: body.as_bytes().to_vec() })
    }

    #[test]
    fn an_address_of_an_outsider_is_a_documents_whatever_the_component_says() {
        use wit::Reach::{Configured, PublicInternet};
        for (upstream, reach, part) in [
            (wit::Upstream::Plausible, Configured, Part::Plausible),
            (wit::Upstream::Telemetry, Configured, Part::Sentry),
            (wit::Upstream::IdentityProvider, Configured, Part::SignIn),
            (wit::Upstream::ClientDocument, Configured, Part::Documents),
            (wit::Upstream::Plausible, PublicInternet, Part::Documents),
        ] {
            assert_eq!(part_of(&request(upstream, reach)), part);
        }
    }

    /// State and fault that an outcome means; `None` where it says that the part works, or nothing.
    #[track_caller]
    fn judged(part: Part, method: wit::Method, outcome: &Result<wit::Response, wit::Error>) -> Option<(State, Fault)> {
        match observed(part, method, outcome) {
            Observation::Answered(_) | Observation::Nothing => None,
            Observation::Failed { state, fault, .. } => Some((state, fault)),
        }
    }

    fn observed(part: Part, method: wit::Method, outcome: &Result<wit::Response, wit::Error>) -> Observation {
        Exchange { part, url: "https://a.example/b".to_owned(), is_document: method == wit::Method::Get }.tells(outcome)
    }

    #[test]
    fn no_caller_can_make_a_part_look_bad_by_what_it_sends() {
        use wit::Method::{Get, Post};
        for status in [400, 401, 402, 404, 429] {
            assert_eq!(judged(Part::Plausible, Post, &answer(status, "{}")), None, "{status}");
        }
        assert_eq!(judged(Part::SignIn, Post, &answer(400, "{}")), None, "a code that is wrong");
        assert_eq!(judged(Part::Documents, Get, &answer(500, "")), None);
        for error in [wit::Error::ResponseTooLarge, wit::Error::Busy(1), wit::Error::AddressRefused] {
            let outcome = Err(error);
            for part in Part::ALL {
                assert_eq!(observed(part, Post, &outcome), Observation::Nothing, "{part:?} {outcome:?}");
            }
        }
        let slow = Some((State::Degraded, Fault::Unanswered("http_timed_out")));
        assert_eq!(judged(Part::Plausible, Post, &Err(wit::Error::TimedOut)), slow, "one question may be heavy");
    }

    #[test]
    fn a_provider_that_answers_anything_but_its_document_is_away() {
        use wit::Method::Get;
        for (outcome, fault) in [
            (answer(500, "{}"), Fault::ProviderStatus(500)),
            (answer(429, "{}"), Fault::ProviderStatus(429)),
            (answer(302, ""), Fault::ProviderStatus(302)),
            (answer(200, "<!doctype html>"), Fault::NotJson),
            (answer(200, ""), Fault::NotJson),
            (Err(wit::Error::TimedOut), Fault::Unanswered("http_timed_out")),
            (Err(wit::Error::NameNotResolved), Fault::Unanswered("http_name_not_resolved")),
        ] {
            assert_eq!(judged(Part::SignIn, Get, &outcome), Some((State::Away, fault)));
        }
        assert_eq!(judged(Part::SignIn, Get, &answer(200, " {\"keys\":[]}")), None);
    }

    #[test]
    fn plausible_is_away_when_nothing_leads_there() {
        use wit::Method::Post;
        let state = |outcome| judged(Part::Plausible, Post, &outcome).map(|(state, _)| state);
        assert_eq!(state(Err(wit::Error::ConnectFailed)), Some(State::Away));
        assert_eq!(state(answer(301, "")), Some(State::Away));
        assert_eq!(state(answer(503, "")), Some(State::Degraded));
    }
}
