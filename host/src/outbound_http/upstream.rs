//! The upstreams that the component asks, and what one request to them is about.

use http::Uri;
use sha2::{Digest, Sha256};

use super::places::{Client, KeyHash};
use super::resolver::is_invalid;
use crate::bindings::outbound_http as wit;

/// An upstream, as far as requests to it are bounded together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Upstream {
    /// The Stats API of Plausible.
    Plausible,
    /// Cloudflare Access, or another OpenID provider.
    IdentityProvider,
    /// Metadata documents of clients, wherever they are.
    ClientDocument,
    /// Sentry.
    Telemetry,
}

/// A value for each upstream.
#[derive(Debug, Default)]
pub(crate) struct PerUpstream<T>([T; 4]);

/// Who asks whom, as far as places and breakers count it.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) upstream: Upstream,
    /// Scheme, host and port.
    pub(super) origin: String,
    pub(super) key: KeyHash,
    pub(super) client: Option<Client>,
    /// Whether the caller decides what the upstream has to work on.
    pub(super) has_body: bool,
}

impl Upstream {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::Plausible, Self::IdentityProvider, Self::ClientDocument, Self::Telemetry];

    /// Its name among metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plausible => "plausible",
            Self::IdentityProvider => "identity_provider",
            Self::ClientDocument => "client_document",
            Self::Telemetry => "telemetry",
        }
    }

    /// Whatever the component says of it, an address that an outsider chose is that of a document.
    fn of(request: &wit::Request) -> Self {
        match (request.reach, request.upstream) {
            (wit::Reach::PublicInternet, _) | (_, wit::Upstream::ClientDocument) => Self::ClientDocument,
            (_, wit::Upstream::Plausible) => Self::Plausible,
            (_, wit::Upstream::IdentityProvider) => Self::IdentityProvider,
            (_, wit::Upstream::Telemetry) => Self::Telemetry,
        }
    }
}

impl<T> PerUpstream<T> {
    pub(crate) fn of(make: impl FnMut(Upstream) -> T) -> Self {
        Self(Upstream::ALL.map(make))
    }

    pub(crate) fn get(&self, upstream: Upstream) -> &T {
        let Self([plausible, identity_provider, client_document, telemetry]) = self;
        match upstream {
            Upstream::Plausible => plausible,
            Upstream::IdentityProvider => identity_provider,
            Upstream::ClientDocument => client_document,
            Upstream::Telemetry => telemetry,
        }
    }

    pub(crate) fn all(&self) -> &[T; 4] {
        &self.0
    }
}

impl Asked {
    /// `None` where asking takes no time: the URL is none, or its name is known never to resolve.
    pub(super) fn of(request: &wit::Request, client: Option<Client>) -> Option<Self> {
        let url: Uri = request.url.parse().ok()?;
        let (scheme, authority, host) = (url.scheme_str()?, url.authority()?, url.host()?);
        if request.reach == wit::Reach::PublicInternet && is_invalid(host) {
            return None;
        }
        let upstream = Upstream::of(request);
        let origin = format!("{scheme}://{}", authority.as_str().to_ascii_lowercase());
        let key = match upstream {
            Upstream::ClientDocument => hash([host.to_ascii_lowercase().as_str()]),
            _ => hash([upstream.name(), &origin].into_iter().chain(credentials(request))),
        };
        Some(Self { upstream, origin, key, client, has_body: request.body.is_some() })
    }
}

fn credentials(request: &wit::Request) -> impl Iterator<Item = &str> {
    request.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("authorization")).map(|(_, value)| &**value)
}

/// No part runs into the next.
fn hash<'a>(parts: impl IntoIterator<Item = &'a str>) -> KeyHash {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part.len().to_be_bytes());
        digest.update(part);
    }
    digest.finalize().into()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn request(upstream: wit::Upstream, url: &str, authorization: &str) -> wit::Request {
        wit::Request {
            upstream,
            method: wit::Method::Post,
            url: url.to_owned(),
            headers: vec![("Authorization".to_owned(), authorization.to_owned())],
            body: Some(Vec::new()),
            timeout_milliseconds: 1000,
            max_response_bytes: 1000,
            reach: wit::Reach::Configured,
            coalesce: None,
        }
    }

    #[test]
    fn keys_are_told_apart_by_what_is_asked_and_with_what_and_by_nothing_else() {
        let of =
            |upstream, url: &str, authorization: &str| Asked::of(&request(upstream, url, authorization), None).unwrap();
        let one = of(wit::Upstream::Plausible, "https://p.example/api/v2/query", "Bearer one");
        assert_eq!(one.key, of(wit::Upstream::Plausible, "https://P.example/other", "Bearer one").key);
        for other in [
            of(wit::Upstream::Plausible, "https://p.example/api/v2/query", "Bearer two"),
            of(wit::Upstream::Plausible, "https://p.example:8443/api/v2/query", "Bearer one"),
            of(wit::Upstream::Plausible, "http://p.example/api/v2/query", "Bearer one"),
            of(wit::Upstream::Telemetry, "https://p.example/api/v2/query", "Bearer one"),
        ] {
            assert_ne!(one.key, other.key, "{other:?}");
        }
        assert!(!format!("{one:?}").contains("Bearer"));
        assert_ne!(hash(["a", "b"]), hash(["ab"]));
    }

    #[test]
    fn an_address_of_an_outsider_is_that_of_a_document_whatever_else_is_said() {
        let mut public = request(wit::Upstream::Plausible, "https://App.example:444/a", "Bearer one");
        public.reach = wit::Reach::PublicInternet;
        let asked = Asked::of(&public, None).unwrap();
        assert_eq!((asked.upstream, asked.key), (Upstream::ClientDocument, hash(["app.example"])));
        for url in ["https://plausible-mcp.invalid/", "nonsense", ""] {
            assert!(Asked::of(&wit::Request { url: url.to_owned(), ..public.clone() }, None).is_none(), "{url}");
        }
        let configured = request(wit::Upstream::Plausible, "https://plausible.invalid/", "");
        assert!(Asked::of(&configured, None).is_some(), "an operator's upstream counts whatever its name is");
    }

    #[test]
    fn every_upstream_has_a_value_of_its_own() {
        let names = PerUpstream::of(Upstream::name);
        assert!(Upstream::ALL.iter().all(|upstream| *names.get(*upstream) == upstream.name()));
    }
}
