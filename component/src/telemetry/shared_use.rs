//! How a request used the Plausible key that all of `/internal` share: numbers only.

use std::cell::Cell;

/// What one request asked and was answered from memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SharedUse {
    /// How many answers were remembered ones.
    pub remembered: u32,
    /// How many queries were sent to Plausible.
    pub asked: u32,
    /// The hour's budget after that, where there is one and everybody's share was asked for.
    pub budget: Option<Budget>,
}

/// The hour's budget of queries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// How many are left for everybody together, at least.
    pub left: u32,
    /// How many there were.
    pub hourly: u32,
}

/// Counts while the request is answered.
#[derive(Debug, Default)]
pub struct SharedTally(Cell<SharedUse>);

impl SharedTally {
    /// So far.
    pub fn so_far(&self) -> SharedUse {
        self.0.get()
    }

    /// An answer was a remembered one.
    pub fn remembered(&self) {
        let so_far = self.0.get();
        self.0.set(SharedUse { remembered: so_far.remembered.saturating_add(1), ..so_far });
    }

    /// A query is sent to Plausible.
    pub fn asks(&self) {
        let so_far = self.0.get();
        self.0.set(SharedUse { asked: so_far.asked.saturating_add(1), ..so_far });
    }

    /// So much is left of the hour's budget.
    pub fn budget(&self, left: u32, hourly: u32) {
        self.0.set(SharedUse { budget: Some(Budget { left, hourly }), ..self.0.get() });
    }
}

impl SharedUse {
    /// Its members of a line of the log, each with a comma before it.
    pub fn members(&self) -> String {
        let budget = self.budget;
        let members = [
            ("remembered", Some(self.remembered).filter(|count| *count > 0)),
            ("asked", Some(self.asked).filter(|count| *count > 0)),
            ("budget_left", budget.map(|budget| budget.left)),
            ("budget", budget.map(|budget| budget.hourly)),
        ];
        let member = |(name, number): (&str, Option<u32>)| Some(format!(",\"{name}\":{}", number?));
        members.into_iter().filter_map(member).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_used_is_not_said() {
        let tally = SharedTally::default();
        assert_eq!(tally.so_far().members(), "");
        tally.remembered();
        tally.remembered();
        assert_eq!(tally.so_far().members(), r#","remembered":2"#);
        tally.asks();
        tally.budget(0, 540);
        assert_eq!(tally.so_far().members(), r#","remembered":2,"asked":1,"budget_left":0,"budget":540"#);
    }
}
