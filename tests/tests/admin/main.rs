//! What an operator sees of a running host: metrics, readiness and traces.

mod collector;
mod metrics;
mod operator;
mod readiness;
mod secrets;
mod serve;
mod traces;
mod unreadable_secrets;
