//! stub
#![allow(missing_docs)]
use crate::access::{Admission, Rejection, VerifiedIdentity};
use crate::config::{AssertionMode, AuthorizationServer};
use crate::oauth::transaction::{Login, Started};
use crate::oauth::vault::Vault;
use crate::ports::{HttpError, Ports, StoreError, Timestamp};
pub struct Federation<'a, P: Ports> {
    pub ports: &'a P,
    pub vault: &'a Vault<'a, P::Store, P::Random>,
    pub now: Timestamp,
}
pub enum FederationError {
    Rejected(Rejection),
    ProviderRefused,
    ProviderFailed,
    Unavailable(HttpError),
    Store(StoreError),
}
pub struct Provider {
    pub iss_parameter_supported: bool,
}
impl FederationError {
    pub fn status(&self) -> u16 {
        503
    }
}
impl<P: Ports> Federation<'_, P> {
    pub async fn provider(&self, _: &AuthorizationServer) -> Result<Provider, FederationError> {
        todo!()
    }
    pub async fn probe(&self, _: &AuthorizationServer) -> Result<(), FederationError> {
        todo!()
    }
    pub async fn probe_team(&self, _: &AssertionMode) -> Result<(), FederationError> {
        todo!()
    }
    pub async fn authorization_url(&self, _: &AuthorizationServer, _: &Started) -> Result<String, FederationError> {
        todo!()
    }
    pub async fn identify(
        &self,
        _: &AuthorizationServer,
        _: &str,
        _: &Login,
        _: &str,
        _: &Admission,
    ) -> Result<VerifiedIdentity, FederationError> {
        todo!()
    }
    pub async fn authenticate_assertion(
        &self,
        _: &AssertionMode,
        _: &str,
        _: &Admission,
    ) -> Result<VerifiedIdentity, FederationError> {
        todo!()
    }
}
