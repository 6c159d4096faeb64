//! The state of each part that the host depends on: 1 for the state that it is in, 0 for the others.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::parts::{Part, State};

/// The gauges.
pub(crate) struct PartStates(Family<StateLabels, Gauge>);

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StateLabels {
    part: &'static str,
    state: &'static str,
}

impl PartStates {
    pub(super) fn registered(registry: &mut Registry) -> Self {
        let states = Self(Family::default());
        for part in Part::ALL {
            states.is(part, State::Unknown);
        }
        let help = "State of each part that the server depends on: 1 for the one that it is in";
        registry.register("part_state", help, states.0.clone());
        states
    }

    /// `part` is in `state` now.
    pub(crate) fn is(&self, part: Part, state: State) {
        for other in State::ALL {
            let labels = StateLabels { part: part.name(), state: other.name() };
            self.0.get_or_create(&labels).set(i64::from(other == state));
        }
    }
}
