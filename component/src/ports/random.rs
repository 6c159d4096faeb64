//! Randomness.

use std::cell::Cell;

use sha2::{Digest, Sha256};

/// Draws random bytes. The contract is that of `wasi:random/random`: fit for keys, never the same twice, never
/// predictable. Decisions take bytes; only the shell draws them.
pub trait Random {
    /// Fills `buffer` with fresh bytes.
    fn fill(&self, buffer: &mut [u8]);

    /// Fresh bytes.
    fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut buffer = [0; N];
        self.fill(&mut buffer);
        buffer
    }
}

/// The same bytes for the same seed. For tests only.
#[derive(Debug, Default)]
pub struct SeededRandom {
    seed: u64,
    drawn: Cell<u64>,
}

impl SeededRandom {
    /// Starts the sequence of `seed`.
    pub fn new(seed: u64) -> SeededRandom {
        SeededRandom { seed, drawn: Cell::new(0) }
    }
}

impl Random for SeededRandom {
    fn fill(&self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(32) {
            let block =
                Sha256::new().chain_update(self.seed.to_be_bytes()).chain_update(self.drawn.get().to_be_bytes());
            self.drawn.set(self.drawn.get() + 1);
            chunk.iter_mut().zip(block.finalize()).for_each(|(target, byte)| *target = byte);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_and_draws_do_not() {
        let (one, same, other) = (SeededRandom::new(1), SeededRandom::new(1), SeededRandom::new(2));
        let first = one.bytes::<40>();
        assert_eq!(first, same.bytes::<40>());
        assert_ne!(first, one.bytes::<40>());
        assert_ne!(first, other.bytes::<40>());
    }
}
