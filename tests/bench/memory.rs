//! The processors and the writer that both in-memory loops call.

use std::cell::Cell;
use std::hint::black_box;

/// Items per chunk, and in the buffer of the hand-written loop.
pub(crate) const CHUNK: usize = 100;

thread_local! {
    static SUM: Cell<u64> = const { Cell::new(0) };
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

/// The processor: a few cycles of arithmetic that the compiler cannot optimize away.
#[inline]
pub(crate) fn scramble(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (number >> 7)
}

/// A processor that takes longer: it scrambles the number `turns` times.
pub(crate) fn grind(number: u64, turns: u32) -> u64 {
    (0..turns).fold(number, |number, _| scramble(black_box(number)))
}

/// The writer.
pub(crate) fn add_up(numbers: &[u64]) {
    SUM.set(numbers.iter().fold(SUM.get(), |sum, number| sum.wrapping_add(*number)));
    COUNT.set(COUNT.get() + numbers.len() as u64);
}

/// The items added up since the last call: their number and their sum.
pub(crate) fn added_up() -> (u64, u64) {
    (COUNT.take(), SUM.take())
}
