//! Identifiers of requests, traces and spans: unique, and no secret.
//!
//! They are counted up from a seed that is drawn once, so that a request costs no draw where an instance serves several
//! requests. Who sees one can tell the others of the same instance, which is nothing to hide.

use std::cell::Cell;

use crate::ports::Random;

/// Hands out identifiers. None is handed out twice.
#[derive(Debug, Default)]
pub struct Identifiers {
    seed: Cell<Option<u128>>,
    handed_out: Cell<u64>,
}

impl Identifiers {
    /// The next identifier: 128 bits, never zero, the upper half of which is as unique as the whole.
    pub fn next(&self, random: &impl Random) -> u128 {
        let [upper, lower] = halves(self.seed.get().unwrap_or_else(|| self.draw(random)));
        let count = self.handed_out.get().wrapping_add(1);
        self.handed_out.set(count);
        let step = count.wrapping_mul(GOLDEN_RATIO);
        let number = u128::from(mixed(upper.wrapping_add(step))) << 64 | u128::from(mixed(lower.wrapping_add(step)));
        number.max(1)
    }

    fn draw(&self, random: &impl Random) -> u128 {
        let seed = u128::from_be_bytes(random.bytes());
        self.seed.set(Some(seed));
        seed
    }
}

/// The upper and the lower half of a number.
pub(super) fn halves(number: u128) -> [u64; 2] {
    let half = |number: u128| u64::try_from(number & u128::from(u64::MAX)).expect("64 bits are kept");
    [half(number >> 64), half(number)]
}

/// The finalizer of SplitMix64 (Steele, Lea, Flood 2014): every bit of the input changes half of the output's.
fn mixed(mut number: u64) -> u64 {
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// 2^64 divided by the golden ratio, odd: multiples of it reach every number.
const GOLDEN_RATIO: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::ports::SeededRandom;

    #[test]
    fn none_is_handed_out_twice_and_one_draw_is_enough() {
        let (one, other, random) = (Identifiers::default(), Identifiers::default(), SeededRandom::new(1));
        let mut seen = BTreeSet::new();
        for identifiers in [&one, &other] {
            assert!((0..1000).all(|_| seen.insert(identifiers.next(&random))));
        }
        let unused = SeededRandom::new(1);
        let _ = (unused.bytes::<16>(), unused.bytes::<16>());
        assert_eq!(random.bytes::<16>(), unused.bytes::<16>(), "one draw per source");
    }

    #[test]
    fn the_leading_bits_are_spread_evenly() {
        let (identifiers, random) = (Identifiers::default(), SeededRandom::new(7));
        let low = (0..100_000).filter(|_| identifiers.next(&random) >> 96 < u128::from(u32::MAX / 100)).count();
        assert!((850..1150).contains(&low), "{low} of a thousand expected");
    }
}
