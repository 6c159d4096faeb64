//! What a model reads when a call fails: what is wrong, and a call that would work or what to do instead.

use std::fmt;

use super::remembered::{age, moment};
use crate::legible::legible;
use crate::plausible::{QueryError, Spender, Violation};
use crate::ports::{HttpError, Timestamp};

/// Why a call has no answer.
#[derive(Debug, PartialEq)]
pub enum Failure {
    /// The arguments do not fit the tool. Nothing was sent.
    Arguments {
        /// The tool.
        tool: &'static str,
        /// One sentence per argument.
        problems: Vec<String>,
        /// Arguments that work, as JSON.
        example: &'static str,
    },
    /// The parts do not go together by Plausible's rules. Nothing was sent.
    Illegal {
        /// The tool.
        tool: &'static str,
        /// The rule.
        violation: Violation,
        /// The same call, mended, as JSON.
        instead: String,
    },
    /// Plausible did not answer the query.
    Plausible {
        /// The site that was asked about.
        site_id: String,
        /// Whether a filter of the query has a regular expression.
        has_pattern: bool,
        /// Which sites are known to this caller.
        instead: Instead,
        /// Why.
        error: QueryError,
        /// The time of the call.
        now: Timestamp,
    },
    /// Sentry failed a moment ago, so a report would be lost.
    FeedbackClosed,
}

/// What to ask about in place of a site that the key cannot see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Instead {
    /// One of the sites that this caller may ask about.
    OneOf(String),
    /// The default site.
    Default(String),
    /// There is no other: the site that was asked about is the one that the operator named.
    NoOther,
    /// Nothing is known.
    Nothing,
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Arguments { tool, problems, example } => {
                writeln!(formatter, "The arguments of {tool} are not right, so nothing was asked:")?;
                for problem in problems.iter().take(MAX_PROBLEMS) {
                    writeln!(formatter, "- {}", legible(problem))?;
                }
                write!(formatter, "A call that works: {tool} {example}")
            }
            Failure::Illegal { tool, violation, instead } => {
                let violation = violation.to_string();
                let violation = legible(&violation);
                write!(formatter, "{violation} Nothing was sent to Plausible.\nA call that works: {tool} {instead}")
            }
            Failure::Plausible { site_id, has_pattern, instead, error, now } => {
                plausible(formatter, site_id, error, *now)?;
                match error {
                    QueryError::Unauthorized => other_site(formatter, instead),
                    QueryError::ServerFault(500) if *has_pattern => write!(
                        formatter,
                        " It also answers so to a regular expression that RE2 cannot read: check those in \
                         property_filters."
                    ),
                    _ => Ok(()),
                }
            }
            Failure::FeedbackClosed => write!(
                formatter,
                "Feedback cannot be taken at the moment, so nothing was sent. Try again in a few minutes, or go on \
                 without."
            ),
        }
    }
}

fn plausible(formatter: &mut fmt::Formatter<'_>, site_id: &str, error: &QueryError, now: Timestamp) -> fmt::Result {
    match error {
        QueryError::Refused(words) => refused(formatter, words.as_deref()),
        QueryError::Unauthorized => write!(
            formatter,
            "Plausible rejected the API key, or the key cannot see the site {}: Plausible answers both in the same way \
             (401).",
            legible(site_id)
        ),
        QueryError::PaymentRequired(words) => {
            write!(formatter, "Plausible wants an upgrade (402): the site is locked, or its plan has no Stats API.")?;
            said(formatter, words.as_deref())?;
            write!(formatter, " Tell the user; another call will not help.")
        }
        QueryError::NotFound => write!(
            formatter,
            "There is no Stats API version 2 at Plausible's address (404). Another call will not help: whoever runs \
             this server should check PLAUSIBLE_BASE_URL, and a self-hosted Plausible may be too old."
        ),
        QueryError::RateLimited(words) => {
            write!(formatter, "Plausible answers no more queries for now (429).")?;
            said(formatter, words.as_deref())?;
            write!(
                formatter,
                " Its usual limit is 600 an hour for a team. Wait a few minutes, then ask with fewer calls."
            )
        }
        QueryError::AskedToWait { status, words, retry_after } => {
            write!(formatter, "Plausible answers no queries with this API key for now ({status}).")?;
            said(formatter, words.as_deref())?;
            write!(formatter, " It asks to wait: try again in {}, with fewer calls.", waiting_time(*retry_after))
        }
        QueryError::Redirected => write!(
            formatter,
            "Plausible's address answered with a redirect, which is not followed. Another call will not help: whoever \
             runs this server should set PLAUSIBLE_BASE_URL to the final address."
        ),
        QueryError::ServerFault(status) => write!(
            formatter,
            "Plausible had a fault of its own ({status}). Try again in a minute; a shorter date range may help."
        ),
        QueryError::UnexpectedStatus(status, words) => {
            write!(formatter, "Plausible answered with status {status}, which its documentation does not mention.")?;
            said(formatter, words.as_deref())?;
            write!(formatter, " Try again once; then tell the user.")
        }
        QueryError::UnexpectedAnswer => write!(
            formatter,
            "Plausible's answer was not the documented JSON. Try again once; if it stays, whoever runs this server \
             should check that PLAUSIBLE_BASE_URL is a Plausible."
        ),
        QueryError::Unreachable(error) => unreachable(formatter, *error, now),
        QueryError::OverBudget { spender, retry_after } => over_budget(formatter, *spender, *retry_after),
    }
}

fn other_site(formatter: &mut fmt::Formatter<'_>, instead: &Instead) -> fmt::Result {
    match instead {
        Instead::OneOf(sites) => write!(
            formatter,
            " Check the spelling of site_id, or ask about a site that this server is set up for: {}.",
            legible(sites)
        ),
        Instead::Default(site) => write!(
            formatter,
            " Check the spelling of site_id, or leave it out to ask about the default site, {}. If it is right, the key \
             needs access to that site.",
            legible(site)
        ),
        Instead::NoOther => write!(
            formatter,
            " It is the site_id that this server is set up for, so look at the key: it needs access to that site."
        ),
        Instead::Nothing => write!(
            formatter,
            " Check the spelling of site_id, which is the site's domain in Plausible's settings. If it is right, the key \
             needs access to that site."
        ),
    }
}

fn refused(formatter: &mut fmt::Formatter<'_>, words: Option<&str>) -> fmt::Result {
    write!(formatter, "Plausible refused the query (400).")?;
    said(formatter, words)?;
    if words.is_some_and(|words| words.contains("goal") && words.contains("not configured")) {
        return write!(
            formatter,
            " Call get_conversions without goal to see the goals of this site, then use one of those names."
        );
    }
    write!(
        formatter,
        " Change the call accordingly; dates in the future and names that the site does not have are common causes."
    )
}

fn said(formatter: &mut fmt::Formatter<'_>, words: Option<&str>) -> fmt::Result {
    match words {
        Some(words) => write!(formatter, " Plausible says: \"{words}\"."),
        None => Ok(()),
    }
}

fn over_budget(formatter: &mut fmt::Formatter<'_>, spender: Spender, retry_after: u32) -> fmt::Result {
    let spent = match spender {
        Spender::User => "your share of this hour's queries is used up",
        Spender::Everybody => "everybody together has used up this hour's queries",
    };
    write!(
        formatter,
        "Nothing was sent to Plausible: {spent}. Users of this server share one limit of Plausible's. Try again in {} \
         minutes. Questions that were asked a moment ago can be asked again before.",
        retry_after.div_ceil(60)
    )
}

fn unreachable(formatter: &mut fmt::Formatter<'_>, error: HttpError, now: Timestamp) -> fmt::Result {
    match error {
        HttpError::Busy { retry_after } => write!(
            formatter,
            "Nothing was sent to Plausible: as many questions as may be are waiting for its answer, so it is probably \
             slow. Try again in {}, with fewer calls at a time.",
            waiting_time(retry_after)
        ),
        HttpError::OutOfService { since, retry_after } => write!(
            formatter,
            "Plausible has not answered since {} ({}), so nothing was sent. Try again in {}. If it stays so, tell the \
             user that Plausible is away; another question will not help.",
            moment(before(now, since)),
            age(since),
            waiting_time(retry_after)
        ),
        HttpError::AskedToWait { retry_after } => write!(
            formatter,
            "Plausible has asked not to be asked with this API key for a while, so nothing was sent. Try again in {}, \
             with fewer calls.",
            waiting_time(retry_after)
        ),
        HttpError::TimedOut => write!(
            formatter,
            "Plausible took too long to answer. Ask for a shorter date range, fewer metrics or a coarser granularity."
        ),
        HttpError::ResponseTooLarge => {
            write!(formatter, "Plausible's answer is too large. Ask for fewer rows or a shorter date range.")
        }
        HttpError::NoRoom { retry_after } => write!(
            formatter,
            "Plausible's answer is large, and this server is at work on as many large ones as it has room for. Ask for \
             fewer rows or a shorter date range: small answers always have room. Or ask again in {}.",
            waiting_time(retry_after)
        ),
        _ => write!(
            formatter,
            "Plausible could not be reached ({}). Try again in a minute; if it stays, whoever runs this server should \
             check PLAUSIBLE_BASE_URL and the network.",
            error.words()
        ),
    }
}

/// The moment so many seconds before `now`.
fn before(now: Timestamp, seconds: u32) -> Timestamp {
    Timestamp(now.0.saturating_sub(u64::from(seconds) * 1000))
}

/// Whole minutes above two, rounded up: who comes too early is refused again.
fn waiting_time(seconds: u32) -> String {
    match seconds {
        1 => "a second".to_owned(),
        0..=120 => format!("{seconds} seconds"),
        _ => format!("{} minutes", seconds.div_ceil(60)),
    }
}

/// How many problems of one call are listed.
const MAX_PROBLEMS: usize = 12;
