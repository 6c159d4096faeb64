//! The floor of the benchmark: a component of our world that answers every request with one line.
//!
//! What the host costs without any of our code in the guest.

wit_bindgen::generate!({ world: "plausible-mcp", path: "../../../wit", generate_all });

use exports::{
    plausible_mcp::host::operator::{
        Finding, GrantPage, Guest as Operator, Level, OperatorError, Origin, Revocation, Selector,
    },
    wasi::http::incoming_handler::Guest as IncomingHandler,
};
use wasi::http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam};

struct Hello;

impl IncomingHandler for Hello {
    fn handle(_request: IncomingRequest, response_out: ResponseOutparam) {
        let response = OutgoingResponse::new(Fields::new());
        let body = response.body().expect("a new response has its body");
        ResponseOutparam::set(response_out, Ok(response));
        let stream = body.write().expect("a new body has its stream");
        stream.blocking_write_and_flush(b"hello\n").expect("the host takes six bytes");
        drop(stream);
        OutgoingBody::finish(body, None).expect("no length was promised");
    }
}

impl Operator for Hello {
    fn check() -> Vec<Finding> {
        vec![Finding {
            level: Level::Ok,
            origin: Origin::Settings,
            setting: String::new(),
            text: "There is nothing to check.".to_owned(),
            advice: String::new(),
        }]
    }

    fn list_grants(_: Selector, _: Option<String>) -> Result<GrantPage, OperatorError> {
        Err(OperatorError::NotConfigured)
    }

    fn revoke(_: Selector) -> Result<Revocation, OperatorError> {
        Err(OperatorError::NotConfigured)
    }
}

export!(Hello);
