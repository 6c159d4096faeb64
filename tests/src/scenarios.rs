//! What every deployment must do, whatever host it runs on: one body each, for the hosts of the tests and, through the
//! program `host-check`, for a deployment of an operator's.

mod mcp;
mod operating;
mod signing_in;

use std::pin::Pin;

use crate::http_client::Answer;
use crate::site::Site;
pub use signing_in::{nobody_registers_without_records, records_outlive_a_restart};

/// What a scenario cannot do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Nothing but the origin.
    Nothing,
    /// A key that Plausible accepts.
    PlausibleKey,
    /// That `/internal` has an authorization server of its own.
    SignIn,
    /// That, and that any client may register there, which is a record kept.
    Registration,
    /// That, and an address that signs in at a simulated Access.
    SimulatedAccess,
    /// `ADMIN_TOKEN`.
    AdminToken,
    /// That, and an address that signs in at a simulated Access.
    AdminTokenAndSimulatedAccess,
}

/// One scenario. Its body panics with what does not hold.
#[derive(Clone, Copy)]
pub struct Scenario {
    /// The fact that it establishes.
    pub name: &'static str,
    /// What it needs.
    pub need: Need,
    body: fn(Site) -> Body,
}

type Body = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How a scenario ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The fact holds.
    Passed,
    /// It does not; what was found instead.
    Failed(String),
    /// The site lacks what it needs.
    Skipped,
}

impl Need {
    fn is_met(self, site: &Site, signs_in: bool) -> bool {
        let (has_email, has_admin_token) = (site.email.is_some(), site.admin_token.is_some());
        match self {
            Need::Nothing => true,
            Need::PlausibleKey => site.plausible_key.is_some(),
            Need::SignIn | Need::Registration => signs_in,
            Need::SimulatedAccess => signs_in && has_email,
            Need::AdminToken => has_admin_token,
            Need::AdminTokenAndSimulatedAccess => has_admin_token && signs_in && has_email,
        }
    }
}

impl Scenario {
    /// Runs it against `site`; `signs_in`: whether the site has an authorization server.
    pub async fn run(&self, site: &Site, signs_in: bool) -> Outcome {
        if !self.need.is_met(site, signs_in) {
            return Outcome::Skipped;
        }
        match tokio::spawn((self.body)(site.clone())).await {
            Ok(()) => Outcome::Passed,
            Err(error) => Outcome::Failed(cause(error)),
        }
    }
}

/// Every scenario, the cheapest first.
pub fn all() -> Vec<Scenario> {
    macro_rules! scenarios {
        ($($module:ident :: $name:ident needs $need:ident,)*) => {
            vec![$(Scenario {
                name: stringify!($name),
                need: Need::$need,
                body: |site| Box::pin($module::$name(site)),
            },)*]
        };
    }
    scenarios! {
        operating::the_deployment_is_alive needs Nothing,
        mcp::a_request_without_a_key_is_challenged needs Nothing,
        mcp::a_token_of_ours_never_reaches_plausible needs Nothing,
        mcp::malformed_requests_are_refused needs Nothing,
        mcp::a_foreign_host_is_refused needs Nothing,
        mcp::every_protocol_era_is_served needs PlausibleKey,
        mcp::every_tool_answers needs PlausibleKey,
        signing_in::metadata_names_this_deployment needs SignIn,
        signing_in::internal_is_challenged_with_its_metadata needs SignIn,
        signing_in::a_client_that_registers_twice_is_one_client needs Registration,
        signing_in::a_denied_request_is_over needs Registration,
        signing_in::a_user_signs_in_asks_refreshes_and_leaves needs SimulatedAccess,
        signing_in::a_code_is_redeemed_once_under_many_requests needs SimulatedAccess,
        signing_in::refreshes_at_once_give_one_pair_of_tokens needs SimulatedAccess,
        operating::the_operator_sees_no_error needs AdminToken,
        operating::the_operator_ends_grants_at_once needs AdminTokenAndSimulatedAccess,
    }
}

/// Sends the same request `count` times at once.
async fn at_once<F>(count: usize, request: impl Fn() -> F) -> Vec<Answer>
where
    F: Future<Output = Answer> + Send + 'static,
{
    let tasks: Vec<_> = (0..count).map(|_| tokio::spawn(request())).collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.expect("a request does not panic"));
    }
    answers
}

fn cause(error: tokio::task::JoinError) -> String {
    let Ok(panic) = error.try_into_panic() else { return "it was given up".to_owned() };
    match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => {
            panic.downcast_ref::<&str>().map_or_else(|| "a panic without words".to_owned(), |text| (*text).to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::origin::Origin;

    #[tokio::test]
    async fn ending_grants_is_skipped_where_nobody_can_sign_in() {
        let is_it = |scenario: &Scenario| scenario.name == "the_operator_ends_grants_at_once";
        let scenario = all().into_iter().find(is_it).unwrap();
        // Nothing is asked of this site, whose name leads nowhere.
        let nobody = Site::at(Origin::of("https://plausible-mcp.invalid").unwrap());
        let token = Some("t".repeat(32));
        let operated = Site { admin_token: token.clone(), ..nobody.clone() };
        let signing_in = Site { email: Some("ada@example.com".to_owned()), ..nobody };
        let both = Site { admin_token: token, ..signing_in.clone() };
        for (site, signs_in) in [(operated, true), (signing_in, true), (both, false)] {
            assert_eq!(scenario.run(&site, signs_in).await, Outcome::Skipped, "{site:?}");
        }
    }
}
