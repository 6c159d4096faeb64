//! Reports to Sentry: errors, transactions, counters and what users write, in one envelope per request.
//!
//! ```text
//! request ──> Report ── worth sending? ──> Envelope ── paused? ──> one POST of at most 2 s
//! ```
//! A report is made of what the log line is made of, so it can tell no more about a caller than that; the words of
//! [`Feedback`] are the exception, and they are masked.

mod counters;
mod delivery;
mod envelope;
mod mask;
mod payload;
mod report;

pub use delivery::{Delivery, Destination, deliver, is_paused, try_out};
pub use envelope::EventId;
pub use report::{Deployment, Feedback, Report};

#[cfg(test)]
mod tests;
