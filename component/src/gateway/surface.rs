//! What a host has to know before it reads the body of a request, told to our host when it starts: the paths that are
//! served, the largest body of each, whether a request there ends when its client leaves, the headers that answers there
//! have, the names that the server answers for, where the client's address stands, and which neighbours are needed. So the
//! host reads no body that the component would refuse unread, and knows the grammar of no setting.
//!
//! The host asks by `GET /admin/operator` with a token that it draws, hands out as the secret `CONTROL_TOKEN` to the
//! instance that it asks, and forgets. Nobody else has it, so from the network nothing answers here; on other hosts
//! there is no such secret.
//!
//! ```text
//! {"routes": [{"path", "body": bytes, 0 where none is read, "oauth": whether errors are OAuth's,
//!              "ends_with_client": whether the request may be given up, "headers": [[name, value]]}],
//!  "elsewhere": [[name, value]], "hosts": [name] or null, "client": {"header", "hops"} or null,
//!  "sign_in": "tokens", "assertions" or null, "documents": whether those of clients are fetched, "sentry": whether there is one}
//! ```

use serde_json::{Value, json};

use super::authorize_endpoint::MAX_DECISION_BYTES;
use super::mcp_endpoint::MAX_BODY_BYTES;
use super::operator_endpoint::{MAX_QUESTION, is_operator};
use super::request::Request;
use super::response::Response;
use super::route::Route;
use super::setup::Setup;
use crate::config::{Config, ConfigError};
use crate::oauth::form::MAX_FORM_BYTES;
use crate::oauth::registration::MAX_REGISTRATION_BYTES;
use crate::ports::{Ports, Secrets};

/// Whether our host asks.
pub(super) fn is_asked_for<P: Ports>(ports: &P, request: &Request) -> bool {
    if request.method != "GET" || Route::of(&request.path) != Some(Route::Operator) {
        return false;
    }
    // Our host has it in memory. Where it cannot be had, the question is not our host's.
    let token = ports.secrets().secret("CONTROL_TOKEN").ok().flatten().filter(|token| token.len() >= MIN_TOKEN);
    let authorization = request.headers.single("authorization").ok().flatten().unwrap_or_default();
    token.is_some_and(|token| is_operator(&authorization, &token))
}

/// What the host has to know. With settings that cannot be read no body is: every request is refused before.
pub(super) fn answer(setup: &Result<Setup, ConfigError>) -> Response {
    let config = setup.as_ref().ok().map(|setup| &setup.config);
    let client = config.and_then(|config| {
        let header = config.client_ip.header.as_deref()?;
        Some(json!({ "header": header, "hops": config.client_ip.hops }))
    });
    let server = config.and_then(|config| config.sign_in.as_ref()?.authorization_server.as_ref());
    let answer = json!({
        "routes": Route::ALL.iter().map(|route| describe(*route, config)).collect::<Vec<_>>(),
        "elsewhere": headers(None),
        "hosts": config.map(|config| &config.allowed_hostnames),
        "client": client,
        "sign_in": config.and_then(sign_in),
        "documents": server.is_some_and(|server| server.documents.are_on),
        "sentry": config.is_some_and(|config| config.telemetry.sentry),
    });
    Response::json(200, answer.to_string())
}

/// How people sign in: with tokens of this server, where it issues any, for which no provider is asked.
fn sign_in(config: &Config) -> Option<&'static str> {
    let sign_in = config.sign_in.as_ref()?;
    Some(if sign_in.authorization_server.is_some() { "tokens" } else { "assertions" })
}

fn describe(route: Route, config: Option<&Config>) -> Value {
    json!({
        "path": route.path(),
        "body": config.map_or(0, |config| largest_body(route, config)),
        "oauth": route.is_for_clients(),
        "ends_with_client": route.ends_with_client(),
        "headers": headers(Some(route)),
    })
}

/// The largest body of a POST that the endpoint reads; 0 where the path is not served, or reads none.
fn largest_body(route: Route, config: &Config) -> usize {
    let sign_in = config.sign_in.as_ref();
    let has_server = sign_in.is_some_and(|sign_in| sign_in.authorization_server.is_some());
    match route {
        Route::Mcp => MAX_BODY_BYTES,
        Route::Internal if sign_in.is_some() => MAX_BODY_BYTES,
        // Whether there is an `ADMIN_TOKEN` may change at any time.
        Route::Operator => MAX_QUESTION,
        Route::Authorize if has_server => MAX_DECISION_BYTES,
        Route::Token | Route::Revoke if has_server => MAX_FORM_BYTES,
        Route::Register if has_server => MAX_REGISTRATION_BYTES,
        _ => 0,
    }
}

/// What every answer at a route has, whatever it is.
fn headers(route: Option<Route>) -> Vec<(&'static str, String)> {
    let mut response = Response::empty(200);
    response.finish(route, "POST");
    response.headers
}

/// A shorter token could be guessed.
const MIN_TOKEN: usize = 32;

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::gateway::{Answered, Gateway, Headers};
    use crate::ports::{FixedSecrets, MemoryPorts};

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    fn setup(settings: &[(&str, &str)]) -> Result<Setup, ConfigError> {
        Setup::read(|name| settings.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
    }

    fn request(method: &str, path: &str, token: &str) -> Request {
        let authorization = ("authorization".to_owned(), format!("Bearer {token}").into_bytes());
        Request {
            method: method.to_owned(),
            path: path.to_owned(),
            headers: Headers(vec![authorization]),
            ..Request::default()
        }
    }

    /// A host that hands out this token.
    fn host(token: &str) -> MemoryPorts {
        let secrets = FixedSecrets([("CONTROL_TOKEN".to_owned(), token.to_owned())].into());
        MemoryPorts { secrets, ..MemoryPorts::default() }
    }

    fn ask(ports: &MemoryPorts, setup: &Result<Setup, ConfigError>, request: &Request) -> Answered {
        Gateway::new(ports, setup).handle(request, &b""[..]).now_or_never().unwrap()
    }

    fn told(settings: &[(&str, &str)]) -> Value {
        let answered = ask(&host(TOKEN), &setup(settings), &request("GET", "/admin/operator", TOKEN));
        assert_eq!(answered.response.status, 200);
        assert!(answered.record.is_none() && answered.report.is_none(), "it is no request of anybody's");
        serde_json::from_slice(&answered.response.body).unwrap()
    }

    /// The member `name` of the route at `path`.
    fn of_route<'a>(told: &'a Value, path: &str, name: &str) -> &'a Value {
        let routes = told["routes"].as_array().unwrap();
        &routes.iter().find(|route| route["path"] == path).unwrap()[name]
    }

    const SIGN_IN: [(&str, &str); 4] = [
        ("PUBLIC_URL", "https://mcp.example.com"),
        ("ACCESS_CLIENT_ID", "client-1"),
        ("ACCESS_ISSUER", "https://team.example/issuer"),
        ("ALLOWED_EMAIL_DOMAIN", "example.com"),
    ];

    #[test]
    fn bodies_are_read_only_where_something_is_served() {
        let with_sign_in = told(&SIGN_IN);
        let without = told(&[("MCP_ALLOWED_HOSTNAMES", "mcp.example.com")]);
        for (path, most, most_without) in [
            ("/mcp", MAX_BODY_BYTES, MAX_BODY_BYTES),
            ("/internal", MAX_BODY_BYTES, 0),
            ("/authorize", MAX_DECISION_BYTES, 0),
            ("/token", MAX_FORM_BYTES, 0),
            ("/revoke", MAX_FORM_BYTES, 0),
            ("/register", MAX_REGISTRATION_BYTES, 0),
            ("/callback", 0, 0),
            ("/.well-known/oauth-authorization-server", 0, 0),
            ("/healthz", 0, 0),
            ("/admin/operator", MAX_QUESTION, MAX_QUESTION),
        ] {
            assert_eq!(of_route(&with_sign_in, path, "body"), most, "{path}");
            assert_eq!(of_route(&without, path, "body"), most_without, "{path} without sign-in");
        }
        let malformed = told(&[("PUBLIC_URL", "mcp.example.com")]);
        assert_eq!((of_route(&malformed, "/mcp", "body"), &malformed["hosts"]), (&json!(0), &Value::Null));
    }

    #[test]
    fn the_host_is_told_whom_the_server_answers_for_and_where_the_address_stands() {
        let default = told(&SIGN_IN);
        assert_eq!((&default["hosts"], &default["client"]), (&json!(["mcp.example.com"]), &Value::Null));
        let proxied = told(&[
            ("MCP_ALLOWED_HOSTNAMES", "A.example, b.example"),
            ("CLIENT_IP_HEADER", "X-Forwarded-For"),
            ("TRUSTED_PROXY_HOPS", "2"),
        ]);
        assert_eq!(proxied["hosts"], json!(["a.example", "b.example"]));
        assert_eq!(proxied["client"], json!({ "header": "x-forwarded-for", "hops": 2 }));
    }

    #[test]
    fn the_host_is_told_which_neighbours_the_server_needs() {
        let needed = |settings: &[(&str, &str)]| {
            let told = told(settings);
            [told["sign_in"].clone(), told["documents"].clone(), told["sentry"].clone()]
        };
        let assertions = [
            ("PUBLIC_URL", "https://mcp.example.com"),
            ("CF_ACCESS_TEAM_DOMAIN", "team"),
            ("CF_ACCESS_AUD", "tag"),
            ("ALLOWED_EMAIL_DOMAIN", "example.com"),
        ];
        assert_eq!(needed(&SIGN_IN), [json!("tokens"), json!(true), json!(false)]);
        assert_eq!(needed(&[&SIGN_IN[..], &assertions[1..3]].concat()), [json!("tokens"), json!(true), json!(false)]);
        assert_eq!(needed(&assertions), [json!("assertions"), json!(false), json!(false)]);
        assert_eq!(
            needed(&[("MCP_ALLOWED_HOSTNAMES", "localhost"), ("SENTRY_DSN", "https://key@sentry.example/1")]),
            [Value::Null, json!(false), json!(true)]
        );
        assert_eq!(needed(&[("PUBLIC_URL", "nonsense")]), [Value::Null, json!(false), json!(false)]);
        let without = [&SIGN_IN[..], &[("CLIENT_METADATA_DOCUMENTS", "off")]].concat();
        assert_eq!(needed(&without), [json!("tokens"), json!(false), json!(false)]);
    }

    #[test]
    fn the_headers_of_a_route_are_those_of_its_answers() {
        let told = told(&SIGN_IN);
        let has =
            |headers: &Value, name: &str, value: &str| headers.as_array().unwrap().contains(&json!([name, value]));
        for (path, cors, referrer) in [
            ("/mcp", true, "strict-origin-when-cross-origin"),
            ("/token", true, "no-referrer"),
            ("/authorize", false, "no-referrer"),
            ("/healthz", false, "strict-origin-when-cross-origin"),
        ] {
            let headers = of_route(&told, path, "headers");
            assert_eq!(has(headers, "access-control-allow-origin", "*"), cors, "{path}");
            assert!(has(headers, "referrer-policy", referrer) && has(headers, "x-frame-options", "DENY"), "{path}");
        }
        assert!(has(&told["elsewhere"], "x-frame-options", "DENY"));
        assert_eq!(
            (of_route(&told, "/token", "oauth"), of_route(&told, "/mcp", "oauth")),
            (&json!(true), &json!(false))
        );
    }

    #[test]
    fn only_calls_of_tools_end_with_their_client() {
        let told = told(&SIGN_IN);
        for route in Route::ALL {
            let ends = matches!(route.path(), "/mcp" | "/internal");
            assert_eq!(of_route(&told, route.path(), "ends_with_client"), ends, "{}", route.path());
        }
    }

    #[test]
    fn nobody_is_told_but_who_has_the_hosts_token() {
        let setup = setup(&SIGN_IN);
        for (ports, request) in [
            (host(TOKEN), request("GET", "/admin/operator", "0123456789abcdef0123456789abcdeg")),
            (host(TOKEN), request("POST", "/admin/operator", TOKEN)),
            (host(TOKEN), request("GET", "/internal", TOKEN)),
            (host("short"), request("GET", "/admin/operator", "short")),
            (host(""), request("GET", "/admin/operator", "")),
            (MemoryPorts::default(), request("GET", "/admin/operator", TOKEN)),
        ] {
            assert_eq!(ask(&ports, &setup, &request).response.status, 403, "the name of the host comes next");
        }
    }
}
