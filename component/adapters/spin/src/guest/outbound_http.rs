//! `outbound-http`, as in every adapter.

use super::Adapter;
use plausible_mcp_adapter_edge::Exchange;
use plausible_mcp_adapter_edge::bindings::outbound_http as wit;

impl wit::Guest for Adapter {
    type Exchange = Exchange;

    /// No account is kept of upstreams: nothing outlives a request here.
    fn refusal(_: wit::Request) -> Option<wit::Error> {
        None
    }

    fn send(request: wit::Request) -> wit::Exchange {
        wit::Exchange::new(Exchange::start(request))
    }
}
