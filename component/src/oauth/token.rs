//! Codes, tokens and client secrets: `pmcp_{c,a,r,s}_` and 32 random bytes in base64url. The kinds share no prefix, so
//! that none passes for another.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::secret::{hex, is_equal, sha256};

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// An authorization code.
    Code,
    /// An access token.
    Access,
    /// A refresh token.
    Refresh,
    /// A client's secret.
    ClientSecret,
}

/// A code, token or client secret.
#[derive(Clone)]
pub struct Token {
    kind: TokenKind,
    bytes: [u8; 32],
}

impl Token {
    /// A token of `kind` from bytes that were drawn at random or derived under a server key.
    pub fn new(kind: TokenKind, bytes: [u8; 32]) -> Token {
        Token { kind, bytes }
    }

    /// Reads a token of `kind`; `None` for everything else, tokens of other kinds included.
    pub fn parse(kind: TokenKind, text: &str) -> Option<Token> {
        let encoded = text.strip_prefix(kind.prefix()).filter(|encoded| encoded.len() == ENCODED_BYTES)?;
        let bytes = URL_SAFE_NO_PAD.decode(encoded).ok()?.try_into().ok()?;
        Some(Token { kind, bytes })
    }

    /// The token as it goes to the client.
    pub fn expose(&self) -> String {
        format!("{}{}", self.kind.prefix(), URL_SAFE_NO_PAD.encode(self.bytes))
    }

    /// Where its record stands: the kind and the SHA-256 of the token.
    pub fn store_key(&self) -> String {
        format!("{}/{}", self.kind.folder(), self.hash())
    }

    /// The SHA-256 of the token in hexadecimal digits.
    pub fn hash(&self) -> String {
        hex(&sha256(self.expose().as_bytes()))
    }
}

impl PartialEq for Token {
    fn eq(&self, other: &Token) -> bool {
        self.kind == other.kind && is_equal(&self.bytes, &other.bytes)
    }
}

impl Eq for Token {}

impl std::fmt::Debug for Token {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Token({:?}, …)", self.kind)
    }
}

impl TokenKind {
    /// How tokens of this kind begin.
    pub fn prefix(self) -> &'static str {
        match self {
            TokenKind::Code => "pmcp_c_",
            TokenKind::Access => "pmcp_a_",
            TokenKind::Refresh => "pmcp_r_",
            TokenKind::ClientSecret => "pmcp_s_",
        }
    }

    /// The first part of the store keys of this kind.
    pub fn folder(self) -> &'static str {
        match self {
            TokenKind::Code => "code",
            TokenKind::Access => "access",
            TokenKind::Refresh => "refresh",
            TokenKind::ClientSecret => "secret",
        }
    }
}

/// 32 bytes in base64url without padding.
const ENCODED_BYTES: usize = 43;

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [TokenKind; 4] = [TokenKind::Code, TokenKind::Access, TokenKind::Refresh, TokenKind::ClientSecret];

    #[test]
    fn a_token_is_read_as_its_own_kind_only() {
        for kind in KINDS {
            let token = Token::new(kind, [5; 32]);
            for other in KINDS {
                assert_eq!(Token::parse(other, &token.expose()).is_some(), other == kind);
            }
            assert!(token.store_key().starts_with(kind.folder()));
            assert!(!format!("{token:?}").contains("5, 5"));
        }
    }

    #[test]
    fn tokens_have_one_spelling() {
        let text = Token::new(TokenKind::Code, [0; 32]).expose();
        assert_eq!(text.len(), 50);
        for wrong in [
            String::new(),
            "pmcp_c_".to_owned(),
            text.replace("pmcp_c_", "PMCP_C_"),
            format!("{text}A"),
            format!("{text}="),
            format!(" {text}"),
            text.replacen("AAAA", "AA+A", 1),
            // The last character carries two bits that must be zero.
            format!("{}B", text.strip_suffix('A').unwrap()),
            "x".repeat(100_000),
        ] {
            assert_eq!(Token::parse(TokenKind::Code, &wrong), None, "{wrong}");
        }
    }
}
