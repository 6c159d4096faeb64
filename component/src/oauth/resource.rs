//! The protected resource, as RFC 8707 names it: `PUBLIC_URL` + `/internal`.

use super::form::Form;

/// The one resource that tokens are issued for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    issuer: String,
}

/// A `resource` that is not ours (`invalid_target`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidTarget;

impl Resource {
    /// The resource of a server. `public_url` is `scheme://host[:port]`, in lower case and without a slash at the end.
    pub fn of(public_url: &str) -> Resource {
        Resource { issuer: public_url.to_owned() }
    }

    /// The canonical URL; what tokens are bound to.
    pub fn url(&self) -> String {
        format!("{}{PATH}", self.issuer)
    }

    /// The issuer: `PUBLIC_URL` itself.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// What a request asks for. Of several, which RFC 8707 §2 allows, it is one that is not ours, if there is one.
    pub fn requested<'a>(&self, form: &'a Form) -> Option<&'a str> {
        let other = form.values("resource").find(|&requested| self.check(Some(requested)).is_err());
        other.or_else(|| form.values("resource").next())
    }

    /// Checks what a client asks for. Besides the canonical URL, an upper-case scheme or host, one slash at the end,
    /// the bare origin, or nothing are taken for it; everything else would make a token for somebody else.
    pub fn check(&self, requested: Option<&str>) -> Result<(), InvalidTarget> {
        let Some(requested) = requested else { return Ok(()) };
        let authority_start = requested.find("://").map_or(0, |index| index + 3);
        let path_start = requested
            .char_indices()
            .find(|(index, character)| *index >= authority_start && matches!(character, '/' | '?' | '#'))
            .map_or(requested.len(), |(index, _)| index);
        let (origin, path) = requested.split_at_checked(path_start).unwrap_or_default();
        let is_ours = origin.eq_ignore_ascii_case(&self.issuer) && TOLERATED_PATHS.contains(&path);
        if is_ours { Ok(()) } else { Err(InvalidTarget) }
    }
}

const PATH: &str = "/internal";

const TOLERATED_PATHS: [&str; 4] = ["", "/", "/internal", "/internal/"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::form::encode;

    #[track_caller]
    fn check(requested: &str, ours: bool) {
        let resource = Resource::of("https://mcp.example.com");
        assert_eq!(resource.check(Some(requested)).is_ok(), ours, "{requested}");
    }

    #[test]
    fn the_tolerated_forms_are_ours() {
        assert_eq!(Resource::of("https://mcp.example.com").check(None), Ok(()));
        assert_eq!(Resource::of("http://localhost:8787").url(), "http://localhost:8787/internal");
        for requested in [
            "https://mcp.example.com/internal",
            "https://mcp.example.com/internal/",
            "HTTPS://MCP.Example.COM/internal",
            "https://mcp.example.com",
            "https://mcp.example.com/",
        ] {
            check(requested, true);
        }
    }

    #[test]
    fn of_several_the_one_that_is_not_ours_is_asked_for() {
        let resource = Resource::of("https://mcp.example.com");
        let (ours, slash, other) =
            ("https://mcp.example.com/internal", "https://mcp.example.com/internal/", "https://b/");
        for (values, requested) in [
            (&[][..], None),
            (&[ours, ours], Some(ours)),
            (&[slash, ours], Some(slash)),
            (&[ours, other], Some(other)),
            (&[other, ours], Some(other)),
            (&["", ours], Some(ours)),
        ] {
            let pairs: Vec<_> = values.iter().map(|value| ("resource", *value)).collect();
            let form = Form::parse(encode(&pairs).as_bytes(), 1000).unwrap();
            assert_eq!(resource.requested(&form), requested, "{values:?}");
        }
    }

    #[test]
    fn everything_else_is_somebody_elses() {
        for requested in [
            "",
            "/internal",
            "mcp.example.com/internal",
            "https://mcp.example.com/mcp",
            "https://mcp.example.com/INTERNAL",
            "https://mcp.example.com/internal//",
            "https://mcp.example.com/internal?x",
            "https://mcp.example.com/internal#f",
            "https://mcp.example.com?/internal",
            "https://mcp.example.com:443/internal",
            "https://mcp.example.com/internal/../other",
            "https://mcp.example.com/%2e%2e/internal",
            "https://mcp.example.com.evil/internal",
            "https://evil@mcp.example.com/internal",
            "http://mcp.example.com/internal",
            "ü://",
        ] {
            check(requested, false);
        }
    }
}
