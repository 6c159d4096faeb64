//! The scope. There is one, `mcp`: it is granted whatever is asked for if the syntax is legal, and always echoed.

/// The one scope.
pub const SCOPE: &str = "mcp";

/// A `scope` that is not `scope-token *( SP scope-token )` (RFC 6749 §3.3), or too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidScope;

/// Checks what a client asks for; `None` when it asks for nothing.
pub fn check_scope(requested: Option<&str>) -> Result<(), InvalidScope> {
    let Some(requested) = requested else { return Ok(()) };
    let legal = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    let is_token = |token: &str| !token.is_empty() && token.bytes().all(legal);
    let valid = requested.len() <= MAX_SCOPE_BYTES && requested.split(' ').all(is_token);
    if valid { Ok(()) } else { Err(InvalidScope) }
}

/// Far more than all scopes that MCP clients were seen to ask for together.
const MAX_SCOPE_BYTES: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legal_scopes_of_any_name_are_taken() {
        for scope in [None, Some("mcp"), Some("openid mcp:tools offline_access"), Some("!#[]~")] {
            assert_eq!(check_scope(scope), Ok(()));
        }
    }

    #[test]
    fn illegal_characters_and_spaces_are_not() {
        let long = "a ".repeat(5000);
        for scope in ["a\"b", "a\\b", "a\u{7}", "ä", "a  b", "a\tb", " a", "a ", &long] {
            assert_eq!(check_scope(Some(scope)), Err(InvalidScope), "A43 A44 {scope:?}");
        }
    }
}
