//! Splits the time of a measured chunk by component, item by item.

use std::cell::RefCell;

use super::clock::Stopwatch;
use crate::definition::{Failure, Sink};

/// At most about this many items of a chunk are timed by the wall clock.
const MAX_BY_WALL: usize = 2_000;
/// At most about this many items of a chunk are timed by CPU time, because each reading is a system call.
const MAX_BY_CPU: usize = 100;

/// A stopwatch for a chain of components in which each calls the next. The time of a component excludes that of the
/// components it calls.
///
/// In a large chunk, the stopwatch times one item in `stride`, and counts the time of that item `stride` times.
#[derive(Debug)]
pub(crate) struct Laps {
    watch: Stopwatch,
    /// How long one reading of the clock takes.
    cost: u64,
    stride: usize,
    until_next: usize,
    is_on: bool,
    weight: u64,
    readings: u64,
    /// The component that is running: 0 is the first one.
    current: usize,
    times: Vec<u64>,
}

impl Laps {
    /// Starts the laps of a chunk of about this many items.
    pub(crate) fn over(items: usize, watch: Stopwatch) -> Self {
        let most = if watch.is_cpu() { MAX_BY_CPU } else { MAX_BY_WALL };
        // The stride is odd, so that it does not coincide with a reader that does more work for every second item.
        let stride = items.div_ceil(most).max(1) | 1;
        let mut laps = Self::all(watch);
        (laps.stride, laps.is_on) = (stride, false);
        laps
    }

    /// Starts laps that time everything.
    pub(crate) fn all(watch: Stopwatch) -> Self {
        Self {
            watch: watch.again(),
            cost: watch.cost(),
            stride: 1,
            until_next: 0,
            is_on: true,
            weight: 1,
            readings: 0,
            current: 0,
            times: vec![0; 4],
        }
    }

    /// Called before each item. Resets the running component, because one that failed on the previous item has not
    /// returned.
    #[inline]
    pub(crate) fn next_item(&mut self) {
        self.current = 0;
        self.is_on = self.until_next == 0;
        if self.is_on {
            (self.until_next, self.weight) = (self.stride, self.stride as u64);
            self.watch.lap();
            self.readings += 1;
        }
        self.until_next -= 1;
    }

    /// Called before the work that is done once per chunk.
    pub(crate) fn once_a_chunk(&mut self) {
        self.current = 0;
        (self.is_on, self.weight) = (true, 1);
        self.watch.lap();
        self.readings += 1;
    }

    /// Notes that the running component calls the one that is this much `deeper` in the chain.
    #[inline]
    pub(crate) fn enter(&mut self, deeper: usize) {
        self.book();
        self.current += deeper;
    }

    /// Notes that the running component returns to the one that called it.
    #[inline]
    pub(crate) fn leave(&mut self, deeper: usize) {
        self.book();
        self.current = self.current.saturating_sub(deeper);
    }

    #[inline]
    fn book(&mut self) {
        if !self.is_on {
            return;
        }
        if self.current >= self.times.len() {
            self.times.resize(self.current + 1, 0);
        }
        self.times[self.current] += self.watch.lap().saturating_sub(self.cost) * self.weight;
        self.readings += 1;
    }

    /// How long all readings of the clock took.
    pub(super) fn total_cost(&self) -> u64 {
        self.readings * self.cost
    }

    /// The times by component. Only their proportions are meaningful.
    pub(super) fn times(&self) -> &[u64] {
        &self.times
    }
}

/// A sink that times the processors after it.
pub(crate) struct Timed<'t, S> {
    pub(crate) sink: &'t mut S,
    pub(crate) laps: &'t mut Laps,
}

impl<T, S: Sink<T>> Sink<T> for Timed<'_, S> {
    #[inline]
    fn push(&mut self, item: T) -> Result<(), Failure> {
        self.sink.push(item)
    }

    fn source(&self) -> u32 {
        self.sink.source()
    }

    fn set_source(&mut self, source: u32) {
        self.sink.set_source(source);
    }

    fn reject(&mut self, failure: Failure) -> Result<(), Failure> {
        self.sink.reject(failure)
    }

    fn takes(&self, source: u32) -> bool {
        self.sink.takes(source)
    }

    #[inline]
    fn enter(&mut self, deeper: usize) {
        self.laps.enter(deeper);
    }

    #[inline]
    fn leave(&mut self, deeper: usize) {
        self.laps.leave(deeper);
    }
}

thread_local! {
    /// The laps of the writers, while a measured chunk is written on this thread.
    static WRITERS: RefCell<Option<Laps>> = const { RefCell::new(None) };
}

/// Writes a chunk. If the chunk is measured, the time of each of its writers is added to `laps`.
pub(crate) fn writing<T>(laps: &mut Option<Laps>, write: impl FnOnce() -> T) -> T {
    if laps.is_none() {
        return write();
    }
    if let Some(laps) = laps {
        laps.once_a_chunk();
    }
    WRITERS.set(laps.take());
    let written = write();
    *laps = WRITERS.take();
    if let Some(laps) = laps {
        laps.leave(0);
    }
    written
}

/// Calls the writer that is this many places after the running one.
#[inline]
pub(crate) fn in_writer<T>(after: usize, write: impl FnOnce() -> T) -> T {
    let is_timed = WRITERS.with_borrow_mut(|laps| laps.as_mut().map(|laps| laps.enter(after)).is_some());
    let written = write();
    if is_timed {
        WRITERS.with_borrow_mut(|laps| laps.as_mut().map(|laps| laps.leave(after)));
    }
    written
}
