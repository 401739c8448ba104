//! A place between two records, with a hash of the input before it.

use crate::readers::source;

/// The number of bytes before a place that are hashed into it.
pub(super) const TAIL: usize = source::MOST_HASHED;

/// A place between two records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(super) byte: u64,
    pub(super) line: u64,
    /// The number of bytes hashed before `byte`, and their hash.
    pub(super) tail: u64,
    pub(super) hash: u64,
}

impl Place {
    /// The place `at` bytes into `buffer`, whose first byte is at `base` in the input.
    pub(super) fn of(buffer: &[u8], base: u64, at: usize, line: u64) -> Self {
        let tail = at.min(TAIL);
        let hash = source::hash(&buffer[at - tail..at]);
        Self { byte: base + at as u64, line, tail: tail as u64, hash }
    }
}
