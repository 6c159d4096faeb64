//! Tokens for tests, signed with keys that were made for nothing else.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rsa::sha2::{Digest, Sha256};
use rsa::traits::PublicKeyParts;
use rsa::{BoxedUint, Pkcs1v15Sign, PrivateKey};
use serde_json::{Value, json};

use super::key_set::KeySet;

/// The primes of an RSA key of 2048 bits, in hexadecimal.
#[derive(Debug, Clone, Copy)]
pub struct TestKey(&'static str, &'static str);

/// A JWK for the key.
pub fn jwk(key: TestKey, key_id: &str) -> Value {
    let modulus = URL_SAFE_NO_PAD.encode(key.private().n_bytes());
    json!({ "kty": "RSA", "use": "sig", "alg": "RS256", "kid": key_id, "n": modulus, "e": "AQAB" })
}

/// A key set of keys and their ids.
pub fn keys(named: &[(TestKey, &str)]) -> KeySet {
    let jwks: Vec<Value> = named.iter().map(|(key, key_id)| jwk(*key, key_id)).collect();
    KeySet::parse(json!({ "keys": jwks }).to_string().as_bytes()).expect("the keys are usable")
}

/// A token with the header and payload as given.
pub fn sign(key: TestKey, header: &str, payload: impl AsRef<[u8]>) -> String {
    let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let digest = Sha256::digest(&input);
    let signature = key.private().sign(Pkcs1v15Sign::new::<Sha256>(), &digest).expect("the key signs");
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

impl TestKey {
    fn private(self) -> PrivateKey {
        let prime = |digits: &str| BoxedUint::from_str_radix_vartime(digits, 16).expect("the digits are hexadecimal");
        PrivateKey::from_p_q(prime(self.0), prime(self.1), BoxedUint::from(65_537_u64)).expect("the primes are good")
    }
}

/// The key that most tests sign with.
pub const FIRST: TestKey = TestKey(
    concat!(
        "f7d1eabbc6fe53fee0c81bea98ae746d019d9538d9d3527993ae1e9e4e9d81e3d0c6eef0617abb5cfcdd1416a0ad7178",
        "eac695ed84ca5a500972d55c0f0f30beb15bad1d74dde838cbe8bcbd971ae2c94b560502000f6dadf8670f687ba41ee3",
        "14591fb43e906ed4e69a92d362c110ae7a66effc39a9a4c72cba580818b018fd",
    ),
    concat!(
        "bdcb6fbac73769e895d513f76897405557b0138dc192b2720f99157fd46d65945270a30ad3a2e9bce4658b161ea97e33",
        "e34e674f66fcdcf5f015fe9bce4b8f21b7cd68120ae0bad1e5f60da0ded9405070bd8d53e4f07af8c952ecbb729afe9d",
        "ac67a50566ad2b843916ce8380dd7d00c55380e09d70a10608c2bbe495fef7c9",
    ),
);

/// Another key.
pub const SECOND: TestKey = TestKey(
    concat!(
        "fbe700cfef4d0c8f6221a956cf6340def8979f605b8fcc8a77db17a3252c974c05ea365b8dd93d8a8ee9ad9307b5ab22",
        "0119618b98f928272b54b5f1d89d5759fdf45fbd29a5122b71f3307e3151fa6c095f74df2d6323e9777d98d1c7bc5893",
        "f752709b8d687984fe4323a7ca211a1137e9e983934372218b6e969ea37efae9",
    ),
    concat!(
        "b5af921168798d95448581690a84f26216dc0c2b385ce473cb9f79f22818e380d454a9f7a47284339a9088083443d829",
        "bb206b134499626376249894b249852739cbdc6322506e9c4fffeb06eacf0c790ddd673886aac6c8ae6247cbdb570049",
        "43e95b1f071309fd54af9d768645019fe549904a9415c332d37a1a710aa950b1",
    ),
);
