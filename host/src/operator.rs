//! The operator's questions to the component, each answered by an instance of its own.

pub(crate) mod json;

use std::sync::Arc;

use wasmtime::Store;

use crate::bindings::operator::Guest;
pub use crate::bindings::operator::{Finding, Grant, GrantPage, Level, OperatorError, Origin, Revocation, Selector};
use crate::host::{Host, HostError};
use crate::instance::{Instance, Services, new_store};

impl Host {
    /// Reads the settings, asks each upstream one harmless question, and tests the store. Never empty.
    ///
    /// # Errors
    /// When the component fails, which no setting should make it.
    pub async fn check(&self) -> Result<Vec<Finding>, HostError> {
        let (mut store, operator) = self.operator().await?;
        let mut findings = self.in_time(operator.call_check(&mut store)).await?;
        findings.extend(self.store().findings().await);
        Ok(findings)
    }

    /// Reads the settings and nothing else: no upstream is asked, nor the store.
    ///
    /// # Errors
    /// When the component fails, which no setting should make it.
    pub async fn check_settings(&self) -> Result<Vec<Finding>, HostError> {
        let (mut store, operator) = self.operator_with(self.alone()).await?;
        let mut findings = self.in_time(operator.call_check(&mut store)).await?;
        // What it says of an upstream is that there is no network.
        findings.retain(|finding| finding.origin == Origin::Settings);
        Ok(findings)
    }

    /// A page of the grants that `selector` means, from `cursor` on.
    ///
    /// # Errors
    /// Outer: the component failed. Inner: its answer.
    pub async fn list_grants(
        &self,
        selector: &Selector,
        cursor: Option<&str>,
    ) -> Result<Result<GrantPage, OperatorError>, HostError> {
        let (mut store, operator) = self.operator().await?;
        self.in_time(operator.call_list_grants(&mut store, selector, cursor)).await
    }

    /// Ends the grants that `selector` means.
    ///
    /// # Errors
    /// Outer: the component failed. Inner: its answer.
    pub async fn revoke(&self, selector: &Selector) -> Result<Result<Revocation, OperatorError>, HostError> {
        let (mut store, operator) = self.operator().await?;
        self.in_time(operator.call_revoke(&mut store, selector)).await
    }

    async fn operator(&self) -> Result<(Store<Instance>, Guest), HostError> {
        let (_, services, _) = self.parts();
        self.operator_with(services).await
    }

    async fn operator_with(&self, services: &Arc<Services>) -> Result<(Store<Instance>, Guest), HostError> {
        let (engine, _, component) = self.parts();
        let mut store = new_store(engine, services);
        let instance = self.in_time(component.instantiate_async(&mut store)).await?;
        Ok((store, instance.plausible_mcp_host_operator().clone()))
    }

    async fn in_time<T>(&self, answer: impl Future<Output = wasmtime::Result<T>>) -> Result<T, HostError> {
        match tokio::time::timeout(self.limits().request_time, answer).await {
            Ok(answer) => answer.map_err(|error| HostError::Operator(format!("{error:#}"))),
            Err(_) => Err(HostError::Operator("it did not answer in time".to_owned())),
        }
    }
}
