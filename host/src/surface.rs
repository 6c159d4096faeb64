//! What the component tells the host when it starts: which paths it serves, the largest body of each, which requests end
//! when their clients leave, the headers that answers there have, the names that it answers for, where the client's address
//! stands, and which neighbours it needs. The host asks once, by a request of its own (`component/src/gateway/surface.rs`
//! says how), and knows the grammar of no setting.
//!
//! Of a component that does not tell, nothing is known: bodies are read whatever path they are for, every request is
//! finished, and refusals have the headers that are good everywhere.

mod question;

use std::net::{IpAddr, SocketAddr};

use http::header::{
    CACHE_CONTROL, HOST, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::Deserialize;

use crate::host::ClientAddress;
pub(crate) use question::{ask, token};

/// The component as it is seen from outside.
#[derive(Debug)]
pub(crate) struct Surface {
    /// `None`: the component did not tell.
    routes: Option<Vec<Route>>,
    elsewhere: Answers,
    /// The names that the server answers for, in lower case; `None`: any may be one.
    hosts: Option<Vec<String>>,
    proxy: Option<Proxy>,
    uses: Uses,
}

/// What the component uses besides the store and Plausible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Uses {
    /// How people sign in at `/internal`; `None`: they do not.
    pub(crate) sign_in: Option<SignIn>,
    /// Whether it fetches documents of clients.
    pub(crate) documents: bool,
    /// Whether it reports to Sentry.
    pub(crate) sentry: bool,
}

/// How people sign in at `/internal`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SignIn {
    /// With tokens of the component's own, which need no provider once they are issued.
    Tokens,
    /// With assertions of a provider alone.
    Assertions,
}

/// What is the same for every answer to requests for one path.
#[derive(Debug)]
pub(crate) struct Answers {
    pub(crate) headers: HeaderMap,
    /// Whether clients of OAuth read them (RFC 6749, section 5.2).
    pub(crate) are_for_oauth: bool,
}

#[derive(Debug)]
struct Route {
    path: String,
    largest_body: usize,
    ends_with_client: bool,
    answers: Answers,
}

/// Where a proxy in front tells the client's address.
#[derive(Debug)]
struct Proxy {
    header: HeaderName,
    hops: usize,
}

/// The answer of the component.
#[derive(Deserialize)]
struct Told {
    routes: Vec<ToldRoute>,
    elsewhere: Vec<(String, String)>,
    hosts: Option<Vec<String>>,
    client: Option<ToldProxy>,
    #[serde(default)]
    sign_in: Option<SignIn>,
    #[serde(default)]
    documents: bool,
    #[serde(default)]
    sentry: bool,
}

#[derive(Deserialize)]
struct ToldRoute {
    path: String,
    body: usize,
    oauth: bool,
    /// A component that does not say wants its requests finished.
    #[serde(default)]
    ends_with_client: bool,
    headers: Vec<(String, String)>,
}

#[derive(Deserialize)]
struct ToldProxy {
    header: String,
    hops: usize,
}

impl Default for Surface {
    fn default() -> Self {
        let headers = SECURITY_HEADERS.map(|(name, value)| (name, HeaderValue::from_static(value)));
        let elsewhere = Answers { headers: headers.into_iter().collect(), are_for_oauth: false };
        let uses = Uses { sign_in: None, documents: true, sentry: true };
        Self { routes: None, elsewhere, hosts: None, proxy: None, uses }
    }
}

impl Surface {
    /// What the component has told in `body`; the error says why it is nothing.
    fn told(body: &[u8]) -> Result<Self, String> {
        let told: Told = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        let route = |route: ToldRoute| {
            let answers = Answers { headers: header_map(&route.headers)?, are_for_oauth: route.oauth };
            let ToldRoute { path, body: largest_body, ends_with_client, .. } = route;
            Ok::<_, String>(Route { path, largest_body, ends_with_client, answers })
        };
        let proxy = |told: ToldProxy| {
            let header = HeaderName::try_from(told.header).map_err(|error| error.to_string())?;
            Ok::<_, String>(Proxy { header, hops: told.hops })
        };
        Ok(Self {
            routes: Some(told.routes.into_iter().map(route).collect::<Result<_, String>>()?),
            elsewhere: Answers { headers: header_map(&told.elsewhere)?, are_for_oauth: false },
            hosts: told.hosts,
            proxy: told.client.map(proxy).transpose()?,
            uses: Uses { sign_in: told.sign_in, documents: told.documents, sentry: told.sentry },
        })
    }

    /// What the component uses; `None` where it does not tell.
    pub(crate) fn uses(&self) -> Option<Uses> {
        self.routes.as_ref().map(|_| self.uses)
    }

    /// How people sign in at `/internal`, as far as that is known.
    pub(crate) fn sign_in(&self) -> Option<SignIn> {
        self.uses.sign_in
    }

    /// What answers to requests for `path` have.
    pub(crate) fn answers(&self, path: &str) -> &Answers {
        self.route(path).map_or(&self.elsewhere, |route| &route.answers)
    }

    /// Whether a request for `path` ends when its client leaves. All others are finished.
    pub(crate) fn ends_with_client(&self, path: &str) -> bool {
        self.route(path).is_some_and(|route| route.ends_with_client)
    }

    /// How much of a request's body the component can want, in bytes: nothing, where it refuses the request whatever is
    /// in it.
    pub(crate) fn largest_body(&self, head: &Parts) -> usize {
        if self.routes.is_none() {
            return usize::MAX;
        }
        if head.method != Method::POST || !self.answers_for(head) {
            return 0;
        }
        self.route(head.uri.path()).map_or(0, |route| route.largest_body)
    }

    /// The address of the client: that of the connection, or what a proxy in front says.
    pub(crate) fn client(&self, head: &Parts) -> Option<IpAddr> {
        match &self.proxy {
            Some(proxy) => proxy.client(&head.headers),
            None => head.extensions.get::<ClientAddress>().map(|client| client.0),
        }
    }

    /// One slash at the end of a path is the same path.
    fn route(&self, path: &str) -> Option<&Route> {
        let shorter = path.strip_suffix('/').unwrap_or(path);
        self.routes.iter().flatten().find(|route| route.path == path || route.path == shorter)
    }

    fn answers_for(&self, head: &Parts) -> bool {
        let Some(hosts) = &self.hosts else { return true };
        let line = || head.headers.get(HOST).and_then(|host| host.to_str().ok());
        let authority = head.uri.authority().map(|authority| authority.as_str()).or_else(line).unwrap_or_default();
        let host = without_port(authority);
        hosts.iter().any(|allowed| host.eq_ignore_ascii_case(allowed))
    }
}

impl Proxy {
    /// The element of the last line that the outermost trusted proxy wrote. What stands left of it is hearsay.
    fn client(&self, headers: &HeaderMap) -> Option<IpAddr> {
        let line = headers.get_all(&self.header).iter().next_back()?.to_str().ok()?;
        let element = line.rsplit(',').nth(self.hops.checked_sub(1)?)?.trim();
        let bare =
            element.strip_prefix('[').and_then(|rest| rest.split_once(']')).map_or(element, |(inside, _)| inside);
        bare.parse().ok().or_else(|| element.parse::<SocketAddr>().ok().map(|socket| socket.ip()))
    }
}

/// The host of `host[:port]`. Whether the rest is well-formed the component decides.
fn without_port(authority: &str) -> &str {
    let end = match authority.find(']') {
        Some(bracket) => bracket + 1,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    authority.get(..end).unwrap_or(authority)
}

fn header_map(pairs: &[(String, String)]) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let name = HeaderName::try_from(name).map_err(|error| error.to_string())?;
        headers.append(name, HeaderValue::try_from(value).map_err(|error| error.to_string())?);
    }
    Ok(headers)
}

const SECURITY_HEADERS: [(HeaderName, &str); 5] = [
    (X_FRAME_OPTIONS, "DENY"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (STRICT_TRANSPORT_SECURITY, "max-age=31536000; includeSubDomains"),
    (CACHE_CONTROL, "no-store"),
];

#[cfg(test)]
pub(crate) mod tests {
    use http::Request;

    use super::*;

    /// A component that serves two paths to one name, behind a proxy.
    pub(crate) fn told() -> Surface {
        let headers = |cors: bool| {
            let referrer = if cors { "no-referrer" } else { "strict-origin" };
            let mut headers = vec![["referrer-policy", referrer], ["x-frame-options", "DENY"]];
            headers.extend(cors.then_some(["access-control-allow-origin", "*"]));
            headers
        };
        let body = serde_json::json!({
            "routes": [
                { "path": "/token", "body": 100, "oauth": true, "headers": headers(true) },
                { "path": "/page", "body": 0, "oauth": false, "headers": headers(false) },
                { "path": "/tool", "body": 0, "oauth": false, "ends_with_client": true, "headers": headers(true) },
            ],
            "elsewhere": headers(false),
            "hosts": ["mcp.example.com", "[::1]"],
            "client": { "header": "x-forwarded-for", "hops": 2 },
            "sign_in": "assertions",
            "sentry": true,
        });
        Surface::told(body.to_string().as_bytes()).unwrap()
    }

    fn head(method: &str, uri: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_body_is_wanted_only_where_the_component_reads_it() {
        let surface = told();
        for (method, path, host, most) in [
            ("POST", "/token", "mcp.example.com", 100),
            ("POST", "/token?a=/b", "MCP.Example.com:8443", 100),
            ("POST", "/token/", "[::1]:8787", 100),
            ("POST", "/token//", "mcp.example.com", 0),
            ("POST", "//token", "mcp.example.com", 0),
            ("POST", "/page", "mcp.example.com", 0),
            ("POST", "/nothing", "mcp.example.com", 0),
            ("PUT", "/token", "mcp.example.com", 0),
            ("OPTIONS", "/token", "mcp.example.com", 0),
            ("POST", "/token", "evil.example", 0),
            ("POST", "/token", "mcp.example.com.evil.example", 0),
            ("POST", "/token", "[::2]", 0),
        ] {
            assert_eq!(surface.largest_body(&head(method, path, &[("host", host)])), most, "{method} {path} at {host}");
        }
        let absolute = head("POST", "http://evil.example/token", &[("host", "mcp.example.com")]);
        assert_eq!(surface.largest_body(&absolute), 0, "the address of a request goes before its header");
        let unknown = Surface::default();
        assert_eq!(unknown.largest_body(&head("PUT", "/nothing", &[])), usize::MAX);
    }

    #[test]
    fn answers_have_the_headers_of_their_path() {
        let surface = told();
        let has_cors = |path| surface.answers(path).headers.contains_key("access-control-allow-origin");
        assert!(has_cors("/token") && has_cors("/token/") && !has_cors("/page") && !has_cors("/nothing"));
        assert!(surface.answers("/token").are_for_oauth && !surface.answers("/page").are_for_oauth);
        assert_eq!(Surface::default().answers("/token").headers["x-frame-options"], "DENY");
    }

    #[test]
    fn a_request_is_finished_unless_the_component_says_otherwise() {
        let surface = told();
        for (path, ends) in
            [("/tool", true), ("/tool/", true), ("/tool//", false), ("/token", false), ("/nothing", false)]
        {
            assert_eq!(surface.ends_with_client(path), ends, "{path}");
        }
        assert!(!Surface::default().ends_with_client("/tool"), "nothing is known of it");
    }

    #[test]
    fn the_client_is_whom_the_trusted_proxy_names() {
        let surface = told();
        for (forwarded, client) in [
            ("192.0.2.1, 10.0.0.1", Some("192.0.2.1")),
            ("6.6.6.6, 192.0.2.1:4711, 10.0.0.1", Some("192.0.2.1")),
            ("[2001:db8::1]:443, 10.0.0.1", Some("2001:db8::1")),
            ("10.0.0.1", None),
            ("rubbish, 10.0.0.1", None),
        ] {
            let found = surface.client(&head("GET", "/", &[("x-forwarded-for", forwarded)]));
            assert_eq!(found, client.map(|client| client.parse().unwrap()), "{forwarded}");
        }
        let mut direct = head("GET", "/", &[("x-forwarded-for", "192.0.2.1")]);
        direct.extensions.insert(ClientAddress([192, 0, 2, 7].into()));
        assert_eq!(Surface::default().client(&direct), Some([192, 0, 2, 7].into()));
    }

    #[test]
    fn neighbours_are_known_where_the_component_tells() {
        let uses = Uses { sign_in: Some(SignIn::Assertions), documents: false, sentry: true };
        assert_eq!(told().uses(), Some(uses));
        assert_eq!((Surface::default().uses(), Surface::default().sign_in()), (None, None));
    }

    #[test]
    fn what_is_no_answer_tells_nothing() {
        for body in ["", "[]", "{}", r#"{"routes":[],"elsewhere":[["a b","c"]],"hosts":null,"client":null}"#] {
            assert!(Surface::told(body.as_bytes()).is_err(), "{body}");
        }
    }
}
