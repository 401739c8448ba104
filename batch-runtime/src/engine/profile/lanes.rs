//! The threads that read and process for a step, besides the step's own thread.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::clock::{nanos_since, thread_cpu};
use super::{Parts, Profiler, Split};

/// Where the time of one of these threads went.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) elapsed: u64,
    /// Its CPU time.
    pub(crate) cpu: u64,
    pub(crate) split: Split,
    /// The processor whose calls the thread runs, if it runs those of only one.
    pub(crate) processor: Option<&'static str>,
}

/// The threads of a step that have ended.
#[derive(Debug, Default)]
pub(crate) struct Lanes(Mutex<Vec<Lane>>);

impl Lanes {
    pub(crate) fn add(&self, lane: Lane) {
        self.lock().push(lane);
    }

    pub(super) fn take(&self) -> Vec<Lane> {
        std::mem::take(&mut self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Lane>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Times a thread from its start to its end. When the watch is dropped, it adds the time to the lanes.
pub(crate) struct LaneWatch<'l> {
    lanes: &'l Lanes,
    began: Instant,
    cpu: u64,
    pub(crate) profiler: Profiler,
}

impl<'l> LaneWatch<'l> {
    pub(crate) fn start(lanes: &'l Lanes) -> Self {
        Self { lanes, began: Instant::now(), cpu: thread_cpu(), profiler: Profiler::default() }
    }
}

impl Drop for LaneWatch<'_> {
    fn drop(&mut self) {
        let elapsed = nanos_since(self.began);
        let cpu = thread_cpu().saturating_sub(self.cpu);
        let mut split = self.profiler.split(elapsed, cpu);
        // A thread waits for the rest of its life: for its first chunk, between chunks, and for the step to end.
        let parts = &split.wall;
        let busy = parts.read + parts.processors.iter().sum::<u64>();
        split.wall.wait = elapsed.saturating_sub(busy);
        self.lanes.add(Lane { elapsed, cpu, split, processor: None });
    }
}

/// Times a thread that runs the calls of one processor, from its start to its end.
pub(crate) struct CallsWatch<'l> {
    lanes: &'l Lanes,
    processor: &'static str,
    began: Instant,
    cpu: u64,
    busy: u64,
}

impl<'l> CallsWatch<'l> {
    pub(crate) fn start(processor: &'static str, lanes: &'l Lanes) -> Self {
        Self { lanes, processor, began: Instant::now(), cpu: thread_cpu(), busy: 0 }
    }

    pub(crate) fn call<T>(&mut self, call: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let called = call();
        self.busy += nanos_since(began);
        called
    }
}

impl Drop for CallsWatch<'_> {
    fn drop(&mut self) {
        let (elapsed, cpu) = (nanos_since(self.began), thread_cpu().saturating_sub(self.cpu));
        let busy = self.busy.min(elapsed);
        let parts = |process, wait| Parts { wait, processors: vec![process], ..Parts::default() };
        let split = Split { wall: parts(busy, elapsed - busy), cpu: parts(cpu.min(busy), 0), locked: 0 };
        self.lanes.add(Lane { elapsed, cpu, split, processor: Some(self.processor) });
    }
}
