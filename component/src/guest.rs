//! The component's edge: joins the ports to the interfaces of `wit/`, and exports the HTTP handler and the operator's
//! interface. It converts and calls; it decides nothing.

mod bindings;
mod clock;
mod incoming_handler;
mod oauth_store;
mod operator;
mod outbound_http;
mod random;
mod rate_limit;
mod secrets;
mod settings;
mod wait;

use crate::ports::{Ports, SecretUnavailable};

/// The component, as the bindings see it.
struct Component;

#[expect(unsafe_code, reason = "generated code exports functions by name")]
mod export {
    use super::{Component, bindings};

    bindings::export_component!(Component with_types_in bindings);
}

/// What the host supplies.
struct HostPorts;

impl Ports for HostPorts {
    type Http = outbound_http::HostHttp;
    type Limiter = rate_limit::HostLimiter;
    type Store = oauth_store::HostStore;
    type Secrets = secrets::HostSecrets;
    type Random = random::HostRandom;
    type Clock = clock::WallClock;

    fn http(&self) -> &Self::Http {
        &outbound_http::HostHttp
    }

    fn limiter(&self) -> &Self::Limiter {
        &rate_limit::HostLimiter
    }

    fn store(&self) -> &Self::Store {
        &oauth_store::HostStore
    }

    fn secrets(&self) -> &Self::Secrets {
        &secrets::HostSecrets
    }

    fn random(&self) -> &Self::Random {
        &random::HostRandom
    }

    fn clock(&self) -> &Self::Clock {
        &clock::WallClock
    }

    fn setting(&self, name: &'static str) -> Result<Option<String>, SecretUnavailable> {
        settings::value(name)
    }
}
