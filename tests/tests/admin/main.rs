//! What an operator sees of a running host: metrics, readiness and traces.

mod metrics;
mod operator;
mod readiness;
