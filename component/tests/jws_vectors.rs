//! The JWS and JWK vectors of Project Wycheproof (<https://github.com/C2SP/wycheproof>, `testvectors_v1`).
//!
//! They are read from the folder that `JWS_VECTORS` names; without it, the test says so and passes. Every vector runs:
//! the valid ones of RS256 must be verified, and everything else refused, above all the valid ones of other algorithms.
//! `jws_vectors_exceptions.json` gives the reason for each vector that ends otherwise, and fails when one no longer does.

#![expect(clippy::indexing_slicing, clippy::print_stdout, reason = "a test fails by panicking and says what it skips")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use plausible_mcp_component::access::{KeySet, SignedToken};
use serde_json::{Value, json};

#[test]
fn signatures_are_verified_as_the_vectors_say() {
    check("json_web_signature_test.json", 8);
}

#[test]
fn key_sets_are_read_as_the_vectors_say() {
    check("json_web_key_test.json", 1);
}

/// Runs a file in which so many vectors are valid for RS256.
fn check(file: &str, valid: usize) {
    let Some(folder) = std::env::var_os("JWS_VECTORS").map(PathBuf::from) else {
        println!("skipped: JWS_VECTORS names no folder with {file}");
        return;
    };
    let vectors = read(&folder.join(file));
    let exceptions = exceptions(file);
    let (mut ran, mut verified, mut wrong, mut mended) = (0, 0, Vec::new(), Vec::new());
    for group in list(&vectors, "testGroups") {
        let keys = key_set(group);
        for vector in list(group, "tests") {
            let id = vector["tcId"].to_string();
            let found = is_verified(vector, &keys);
            let is_right = found == (vector["result"] == "valid" && is_rs256(group));
            ran += 1;
            verified += usize::from(found);
            match (is_right, exceptions.contains_key(&id)) {
                (true, false) | (false, true) => {}
                (true, true) => mended.push(id),
                (false, false) => wrong.push(format!("{id} ({}): verified = {found}", vector["comment"])),
            }
        }
    }
    println!("{file}: {ran} vectors, {verified} verified, {} exceptions", exceptions.len());
    assert!(wrong.is_empty(), "{file}: {wrong:#?}");
    assert!(mended.is_empty(), "{file}: these need no exception any more: {mended:?}");
    assert_eq!(Some(ran), vectors["numberOfTests"].as_u64(), "{file}: every vector runs");
    assert_eq!(verified, valid + exceptions.len(), "{file}: so many are valid for RS256");
}

fn is_verified(vector: &Value, keys: &Option<KeySet>) -> bool {
    // The JSON serialization is no text, and is read nowhere: it stands for itself as text.
    let token = vector["jws"].as_str().map_or_else(|| vector["jws"].to_string(), str::to_owned);
    let verified = |keys: &KeySet| SignedToken::read(&token).is_ok_and(|token| token.payload(keys).is_ok());
    keys.as_ref().is_some_and(verified)
}

/// The group's public key or key set; a symmetric one has no public half. `None` when no key of it is usable.
fn key_set(group: &Value) -> Option<KeySet> {
    let key = group.get("public").unwrap_or(&group["private"]);
    let set = if key.get("keys").is_some() { key.clone() } else { json!({ "keys": [key] }) };
    KeySet::parse(set.to_string().as_bytes()).ok()
}

fn is_rs256(group: &Value) -> bool {
    let key = group.get("public").unwrap_or(&group["private"]);
    let keys = key.get("keys").and_then(Value::as_array).cloned().unwrap_or_else(|| vec![key.clone()]);
    keys.iter().all(|key| key["alg"] == "RS256")
}

/// The reasons by `tcId`.
fn exceptions(file: &str) -> BTreeMap<String, String> {
    let all = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/jws_vectors_exceptions.json"));
    let reasons: BTreeMap<String, String> =
        all[file].as_object().into_iter().flatten().map(|(id, reason)| (id.clone(), reason.to_string())).collect();
    assert!(reasons.values().all(|reason| reason.len() > 40), "every exception has a reason");
    reasons
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().unwrap_or_else(|| panic!("{name} is a list"))
}

fn read(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
