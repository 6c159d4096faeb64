//! `wasi:random/random`.

use super::bindings::wasi::random::random;
use crate::ports::Random;

/// The host's source of randomness.
pub struct HostRandom;

impl Random for HostRandom {
    fn fill(&self, buffer: &mut [u8]) {
        let drawn = random::get_random_bytes(u64::try_from(buffer.len()).unwrap_or(u64::MAX));
        // WASI has no error here: a host gives as many bytes as are asked for, or traps. With fewer nothing must go on,
        // because tokens would be guessable.
        buffer.copy_from_slice(&drawn);
    }
}
