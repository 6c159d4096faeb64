//! The question itself: a request of the host's own to an instance of its own, which is the only one that is handed the
//! token, and is gone afterwards.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty, Limited};
use tokio::sync::oneshot;
use wasmtime_wasi_http::p2::bindings::ProxyPre;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::{WasiBody, WasiHttpView as _};

use super::Surface;
use crate::instance::{Instance, Services, new_store};
use crate::outbound_http::Caller;

/// A token that nobody can guess: 256 bits from hashes under keys that the system draws.
pub(crate) fn token() -> String {
    (0_u8..4).map(|part| format!("{:016x}", RandomState::new().hash_one(part))).collect()
}

/// Asks `component` what it serves. Its instance gets `services` for the question alone, with `token` among its secrets.
pub(crate) async fn ask(component: &ProxyPre<Instance>, services: &Arc<Services>, token: &str) -> Surface {
    let time = services.limits.request_time.min(PATIENCE);
    let asked = tokio::time::timeout(time, answer(component, services, token));
    let told = match asked.await {
        Ok(Ok(body)) => Surface::told(&body),
        Ok(Err(error)) => Err(format!("{error:#}")),
        Err(_) => Err("it did not answer in time".to_owned()),
    };
    told.unwrap_or_else(|cause| {
        tracing::warn!(event = "surface_unknown", cause, "the component does not tell what it serves");
        Surface::default()
    })
}

async fn answer(component: &ProxyPre<Instance>, services: &Arc<Services>, token: &str) -> wasmtime::Result<Bytes> {
    let mut store = new_store(component.engine(), services);
    store.data_mut().begins(Instant::now() + PATIENCE, Caller::default());
    let proxy = component.instantiate_async(&mut store).await?;
    let (sender, receiver) = oneshot::channel();
    let mut http = store.data_mut().http();
    let request = http.new_incoming_request(Scheme::Http, question(token)?)?;
    let out = http.new_response_outparam(sender)?;
    // The store goes with the work: who waits for an answer that never comes is told so then.
    let work = async move { proxy.wasi_http_incoming_handler().call_handle(&mut store, request, out).await };
    // A guest writes its body while somebody reads it.
    let read = async {
        let response = receiver.await?.map_err(|code| wasmtime::format_err!("it answered with the error {code:?}"))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES).collect().await;
        let body = body.map_err(|error| wasmtime::format_err!("its answer broke off: {error}"))?.to_bytes();
        if status == StatusCode::OK { Ok(body) } else { Err(wasmtime::format_err!("it answered {status}")) }
    };
    let (worked, read) = tokio::join!(work, read);
    worked.and(read)
}

fn question(token: &str) -> wasmtime::Result<Request<WasiBody>> {
    let body = Empty::new().map_err(|never| match never {}).boxed_unsync();
    let request = Request::get("http://localhost/admin/operator").header(HOST, "localhost");
    Ok(request.header(AUTHORIZATION, format!("Bearer {token}")).body(body)?)
}

/// As long as a server may take to listen, several times over.
const PATIENCE: Duration = Duration::from_secs(5);
/// A dozen paths with a dozen headers each take a few kilobytes.
const ANSWER_BYTES: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_tokens_are_the_same() {
        let (one, other) = (token(), token());
        assert_ne!(one, other);
        assert!(one.len() == 64 && one.bytes().all(|byte| byte.is_ascii_hexdigit()), "{one}");
    }
}
