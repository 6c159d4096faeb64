//! The keys of the simulation, made when it starts, and its randomness.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use getrandom::SysRng;
use rsa::traits::PublicKeyParts as _;
use rsa::{Pkcs1v15Sign, PrivateKey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// A key pair with its id.
pub(super) struct SigningKey {
    key: PrivateKey,
    id: String,
}

/// No key could be made; the cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyError(String);

impl std::fmt::Display for KeyError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "no signing key could be made: {}", self.0)
    }
}

impl std::error::Error for KeyError {}

/// Two keys, made side by side: one for logins, one for the assertions of the team.
pub(super) fn pair() -> Result<(SigningKey, SigningKey), KeyError> {
    std::thread::scope(|scope| {
        let first = scope.spawn(SigningKey::generate);
        let second = SigningKey::generate();
        let first = first.join().map_err(|_| KeyError("the thread that makes it ended".to_owned()))?;
        Ok((first?, second?))
    })
}

impl SigningKey {
    fn generate() -> Result<Self, KeyError> {
        let key = PrivateKey::new(&mut SysRng, KEY_BITS).map_err(|error| KeyError(error.to_string()))?;
        Ok(Self { id: digest(&random_text()), key })
    }

    /// The public half (RFC 7517).
    pub(super) fn jwk(&self) -> Value {
        let number = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        json!({
            "kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.id,
            "n": number(&self.key.n_bytes()), "e": number(&self.key.e_bytes()),
        })
    }

    /// A JWT by RS256 with these claims.
    pub(super) fn sign(&self, claims: &Value) -> String {
        let header = json!({ "alg": "RS256", "kid": self.id, "typ": "JWT" });
        let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let input = format!("{}.{}", encode(&header), encode(claims));
        let hash = Sha256::digest(&input);
        let signature = self.key.sign(Pkcs1v15Sign::new::<rsa::sha2::Sha256>(), &hash);
        let signature = signature.expect("a key of 2048 bits signs a hash of 256");
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// 32 random bytes in base64url.
pub(super) fn random_text() -> String {
    URL_SAFE_NO_PAD.encode(random_bytes())
}

/// 32 random bytes.
pub(in crate::demo) fn random_bytes() -> [u8; 32] {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("the system has randomness");
    bytes
}

/// SHA-256 in base64url.
pub(super) fn digest(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(text))
}

const KEY_BITS: usize = 2048;
