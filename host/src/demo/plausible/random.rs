//! A small deterministic generator (SplitMix64): the same seed gives the
//! same numbers on every machine and in every release.

/// The generator.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Below `bound`; 0 when `bound` is 0.
    pub(super) fn below(&mut self, bound: u32) -> u32 {
        let high = (u64::from(self.next()) * u64::from(bound)) >> 32;
        u32::try_from(high).unwrap_or(0)
    }

    /// True in so many of a hundred cases.
    pub(super) fn percent(&mut self, chance: u32) -> bool {
        self.below(100) < chance
    }

    /// An index, each as often as its weight says.
    pub(super) fn weighted(&mut self, weights: impl Iterator<Item = u32> + Clone) -> u32 {
        let mut rest = self.below(weights.clone().sum());
        for (index, weight) in (0..).zip(weights) {
            if rest < weight {
                return index;
            }
            rest -= weight;
        }
        0
    }

    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        u32::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap_or(0)
    }
}

/// One seed of two.
pub(super) fn mix(left: u64, right: u64) -> u64 {
    let mut random = Random::new(left.rotate_left(32) ^ right.wrapping_mul(0x2545_f491_4f6c_dd1d));
    (u64::from(random.next()) << 32) | u64::from(random.next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_follow_their_weights() {
        let mut random = Random::new(7);
        let mut counts = [0; 3];
        for _ in 0..10_000 {
            counts[random.weighted([1, 0, 3].into_iter()) as usize] += 1;
        }
        assert_eq!(counts[1], 0);
        assert!((2_300..2_700).contains(&counts[0]), "{counts:?}");
    }
}
