//! `outbound-http` over `wasi:http/outgoing-handler`.
//!
//! ```text
//!  start --> under way --response--> body sent --> head received --> body read --> answered
//!    |           |                       |               |               |            ^
//!    |           '-- dropped: given up   '---------------'---------------'-- error ---|
//!    '-- cannot be sent --------------------------------------------------------------'
//! ```
//!
//! `wasi:http` follows no redirects. `coalesce` is not used: an instance serves one request.

mod failure;
mod request;
mod transfer;

use std::cell::RefCell;

use crate::bindings::outbound_http::{Error, GuestExchange, Reach, Request, Response};
use crate::target::Target;
use transfer::Transfer;

/// A request under way, and later its result.
pub struct Exchange(RefCell<State>);

enum State {
    UnderWay(Transfer),
    Answered(Result<Response, Error>),
}

impl Exchange {
    /// Starts a request and does not wait.
    pub fn start(request: Request) -> Self {
        let state = match start(request) {
            Ok(transfer) => State::UnderWay(transfer),
            Err(error) => State::Answered(Err(error)),
        };
        Self(RefCell::new(state))
    }
}

impl GuestExchange for Exchange {
    fn response(&self) -> Result<Response, Error> {
        // The state in between is never seen: an instance runs one call at a time.
        let state = self.0.replace(State::Answered(Err(Error::Interrupted)));
        let answer = match state {
            State::UnderWay(transfer) => transfer.finish(),
            State::Answered(answer) => answer,
        };
        self.0.replace(State::Answered(answer.clone()));
        answer
    }
}

fn start(request: Request) -> Result<Transfer, Error> {
    let target = Target::parse(&request.url).map_err(|_| Error::InvalidRequest)?;
    match request.reach {
        Reach::Configured => Transfer::start(&target, request),
        Reach::PublicInternet if target.is_local() => Err(Error::AddressRefused),
        Reach::PublicInternet => Err(Error::ReachUnsupported),
    }
}
