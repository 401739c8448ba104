//! A random number generator that yields the same numbers everywhere for a seed.

use std::time::Duration;

/// xorshift64.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        // Spread the seed over all bits: the generator starts slowly from a small number.
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).max(1))
    }

    fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 32) as u32
    }

    /// A number below `limit`, evenly distributed.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.next() as usize % limit
    }

    /// One of `all`.
    pub(crate) fn of<'s, T>(&mut self, all: &'s [T]) -> &'s T {
        &all[self.below(all.len())]
    }

    /// A time below `limit`, evenly distributed.
    pub(crate) fn time(&mut self, limit: Duration) -> Duration {
        limit.mul_f64(f64::from(self.next()) / f64::from(u32::MAX))
    }
}
