//! The rows of the catalogue of bad input, end to end: the component's own tests, word for word, against the real
//! component in the real host. What they do to a server is in their `world`; the server is `deployment`'s.

mod deployment;
mod provider;
mod races;
mod store;

#[path = "../../../component/src/gateway/tests/world.rs"]
mod world;

#[path = "../../../component/src/gateway/tests/assertions.rs"]
mod assertions;
#[path = "../../../component/src/gateway/tests/authorization_requests.rs"]
mod authorization_requests;
#[path = "../../../component/src/gateway/tests/bearers.rs"]
mod bearers;
#[path = "../../../component/src/gateway/tests/decisions.rs"]
mod decisions;
#[path = "../../../component/src/gateway/tests/documents.rs"]
mod documents;
#[path = "../../../component/src/gateway/tests/headers.rs"]
mod headers;
#[path = "../../../component/src/gateway/tests/logins.rs"]
mod logins;
#[path = "../../../component/src/gateway/tests/record_versions.rs"]
mod record_versions;
#[path = "../../../component/src/gateway/tests/registrations.rs"]
mod registrations;
#[path = "../../../component/src/gateway/tests/rotation.rs"]
mod rotation;
#[path = "../../../component/src/gateway/tests/sign_in.rs"]
mod sign_in;
#[path = "../../../component/src/gateway/tests/token_requests.rs"]
mod token_requests;
