//! What `check` finds about Plausible: that it is one, that it takes the key, and that the key sees a site.
//!
//! Plausible looks at the key before it looks at anything else, and answers a query that names no site with 400. So such
//! a query tells whether a key is right where no site is known, and whether what answers is a Plausible where there is
//! no key either.

use serde_json::Value;

use super::denied::Denied;
use super::{Finding, Level, Origin, finding, unreadable};
use crate::config::Config;
use crate::plausible::{Answer, Client, DateRange, Metric, Query, QueryError, StatsApi};
use crate::ports::{HttpError, HttpMethod, HttpRequest, HttpResponse, OutboundHttp, Ports, Reach, Secrets, Upstream};

/// Asks Plausible one question, and a second one where the answer does not tell whether the key or the site is wrong. A
/// key that cannot be read is no missing key; Plausible is asked without it.
pub async fn run<P: Ports>(ports: &P, config: &Config) -> Vec<Finding> {
    let Ok(key) = ports.secrets().secret(KEY) else {
        return vec![unreadable(KEY), of_no_key(ask(ports, config, None).await)];
    };
    let key = key.map(|key| key.trim().to_owned()).filter(|key| !key.is_empty());
    let Some(key) = key else { return vec![of_no_key(ask(ports, config, None).await)] };
    match site(config) {
        Some((setting, site)) => vec![with_site(ports, config, &key, setting, site).await],
        None => vec![of_key(ask(ports, config, Some(&key)).await)],
    }
}

/// A site that the key should see, and the setting that names it.
fn site(config: &Config) -> Option<(&'static str, &str)> {
    let allowed = config.sign_in.as_ref().and_then(|sign_in| sign_in.allowed_sites.as_deref());
    let default = config.default_site.as_deref().map(|site| ("PLAUSIBLE_DEFAULT_SITE_ID", site));
    default.or_else(|| Some(("PLAUSIBLE_ALLOWED_SITES", allowed?.first()?.as_str())))
}

async fn with_site<P: Ports>(ports: &P, config: &Config, key: &str, setting: &'static str, site: &str) -> Finding {
    let query = Query::new(site.to_owned(), vec![Metric::Visitors], DateRange::Relative("day".to_owned()));
    let Ok(query) = query.check() else { return of_key(ask(ports, config, Some(key)).await) };
    match Client::new(ports.http(), &config.plausible_base_url, key).query(&query).await {
        Ok(_) => {
            let text = format!("Plausible answers a query about a site of {setting}");
            answered(Level::Ok, KEY, &text, "")
        }
        // Plausible says the same of a wrong key and of a site that the key does not see.
        Err(QueryError::Unauthorized) => match ask(ports, config, Some(key)).await {
            Told::Taken => {
                let advice = "compare it with the domain in Plausible's settings of the site, and give the key's owner \
                              access to that site";
                answered(Level::Error, setting, "Plausible takes the key, and the key does not see the site", advice)
            }
            Told::Refused => rejected("Plausible rejects the key"),
            Told::Failed(error @ QueryError::UnexpectedStatus(..)) => failed(&error),
            Told::Failed(_) => {
                rejected(&format!("Plausible rejects the key, or the key cannot see the site of {setting}"))
            }
        },
        Err(error) => failed(&error),
    }
}

/// What is said to a query that names no site.
enum Told {
    /// The key is right, or none is needed.
    Taken,
    /// The key is missing or wrong, in the words of Plausible.
    Refused,
    /// Something else.
    Failed(QueryError),
}

async fn ask<P: Ports>(ports: &P, config: &Config, key: Option<&str>) -> Told {
    let mut headers = vec![
        ("accept".to_owned(), "application/json".to_owned()),
        ("content-type".to_owned(), "application/json".to_owned()),
    ];
    headers.extend(key.map(|key| ("authorization".to_owned(), format!("Bearer {key}"))));
    let request = HttpRequest {
        upstream: Upstream::Plausible,
        method: HttpMethod::Post,
        url: format!("{}/api/v2/query", config.plausible_base_url),
        headers,
        body: Some(WITHOUT_SITE.as_bytes().to_vec()),
        timeout_milliseconds: TIMEOUT_MILLISECONDS,
        max_response_bytes: MAX_ANSWER_BYTES,
        reach: Reach::Configured,
        coalesce: None,
    };
    match ports.http().send(request).await {
        Ok(response) => told(&response),
        Err(error) => Told::Failed(QueryError::Unreachable(error)),
    }
}

fn told(response: &HttpResponse) -> Told {
    let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    let words = body.get("error").and_then(Value::as_str).map(str::to_ascii_lowercase);
    let asks_for_a_site = words.as_ref().is_some_and(|words| words.contains("site"));
    match (response.status, words) {
        (200, _) if Answer::read(&response.body).is_some() => Told::Taken,
        (200, _) => Told::Failed(QueryError::UnexpectedAnswer),
        (400, _) if asks_for_a_site => Told::Taken,
        (401, Some(_)) => Told::Refused,
        (402, _) => Told::Failed(QueryError::PaymentRequired(None)),
        (404, _) => Told::Failed(QueryError::NotFound),
        (429, _) => Told::Failed(QueryError::RateLimited(None)),
        (300..=399, _) => Told::Failed(QueryError::Redirected),
        (status @ 500..=599, _) => Told::Failed(QueryError::ServerFault(status)),
        (status, _) => Told::Failed(QueryError::UnexpectedStatus(status, None)),
    }
}

fn of_no_key(told: Told) -> Finding {
    match told {
        Told::Taken | Told::Refused => answered(Level::Ok, BASE_URL, "Plausible answers", ""),
        Told::Failed(QueryError::RateLimited(_) | QueryError::Unreachable(HttpError::AskedToWait { .. })) => {
            answered(Level::Ok, BASE_URL, "Plausible answers that it is asked too often", "")
        }
        Told::Failed(error) => failed(&error),
    }
}

fn of_key(told: Told) -> Finding {
    match told {
        Told::Taken => {
            let text = "Plausible takes the key; which sites it sees was not asked, for no setting names one";
            answered(Level::Ok, KEY, text, "")
        }
        Told::Refused => rejected("Plausible rejects the key"),
        Told::Failed(error) => failed(&error),
    }
}

fn rejected(text: &str) -> Finding {
    let advice = "make a key in Plausible under Settings, API keys, with access to the site";
    answered(Level::Error, KEY, text, advice)
}

fn failed(error: &QueryError) -> Finding {
    match error {
        QueryError::Unreachable(HttpError::InvalidRequest) => answered(
            Level::Error,
            KEY,
            "has a character that cannot be sent in a header",
            "copy the key anew from Plausible, without blanks and line ends inside",
        ),
        QueryError::Unauthorized => rejected("Plausible rejects the key"),
        QueryError::PaymentRequired(_) => answered(
            Level::Error,
            KEY,
            "the plan of the site's owner has no Stats API",
            "the Stats API needs Plausible's Business plan",
        ),
        QueryError::RateLimited(_)
        | QueryError::AskedToWait { status: 429, .. }
        | QueryError::Unreachable(HttpError::AskedToWait { .. })
        | QueryError::OverBudget { .. } => {
            answered(Level::Warn, KEY, "Plausible answers no more queries for now", "try again in an hour")
        }
        QueryError::ServerFault(status) | QueryError::AskedToWait { status, .. } => {
            let text = format!("Plausible answers with status {status}");
            answered(Level::Warn, BASE_URL, &text, "look at Plausible's own status")
        }
        QueryError::Unreachable(error) => unreachable(*error),
        QueryError::Redirected => answered(
            Level::Error,
            BASE_URL,
            "the address answers with a redirect, which is not followed",
            "set it to the final address",
        ),
        QueryError::NotFound => no_plausible("there is no Stats API, version 2, at the address: it answers 404"),
        QueryError::UnexpectedStatus(status, _) => {
            no_plausible(&format!("what answers at the address is no Stats API, version 2: it answers {status}"))
        }
        QueryError::Refused(_) => no_plausible("what answers at the address refuses a plain query of the Stats API"),
        QueryError::UnexpectedAnswer => no_plausible(
            "what answers at the address is no Stats API, version 2: its answer is not the documented JSON",
        ),
    }
}

fn no_plausible(text: &str) -> Finding {
    answered(Level::Error, BASE_URL, text, "check the address; a self-hosted Plausible may be too old")
}

fn unreachable(error: HttpError) -> Finding {
    if error == HttpError::NotAllowed {
        return Denied::Plausible.finding(BASE_URL);
    }
    let text = format!("Plausible could not be reached: {}", error.words());
    let advice = "check the address, the network and the certificate (EXTRA_CA_FILE)";
    finding(Level::Error, Origin::Unreachable, BASE_URL, &text, advice)
}

fn answered(level: Level, setting: &'static str, text: &str, advice: &str) -> Finding {
    finding(level, Origin::Answer, setting, text, advice)
}

pub(super) const BASE_URL: &str = "PLAUSIBLE_BASE_URL";
const KEY: &str = "PLAUSIBLE_API_KEY";

const WITHOUT_SITE: &str = r#"{"metrics":["visitors"],"date_range":"day"}"#;

/// Long enough for a far host, short enough to wait for at a prompt.
const TIMEOUT_MILLISECONDS: u32 = 10_000;

/// The words of an error are a few hundred bytes; a page of an error is larger.
const MAX_ANSWER_BYTES: u32 = 256 * 1024;
