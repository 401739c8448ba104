//! Remembers which workers were lost while they processed a chunk.
//!
//! A worker that does not answer may be slow, or cut off from the broker, so the repository is asked what became of it.
//! A chunk that may have killed a worker is never processed by the manager: it might kill the manager too.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::super::messages::ReadChunk;
use crate::definition::Failure;
use crate::repository::work_queue::{Fate, MOST_LOSSES, WorkerId};

/// The workers that have begun a chunk.
#[derive(Debug, Default)]
pub(super) struct ChunkHolders {
    /// The workers that have neither answered nor given the chunk back.
    working: BTreeSet<WorkerId>,
    /// The workers that were lost, each with its name for messages.
    lost: BTreeMap<WorkerId, String>,
    /// When the repository was last asked about these workers.
    asked: Option<Instant>,
}

impl ChunkHolders {
    pub(super) fn begins(&mut self, worker: WorkerId) {
        if !self.lost.contains_key(&worker) && self.working.insert(worker) {
            self.asked = None;
        }
    }

    pub(super) fn gives_back(&mut self, worker: WorkerId) {
        self.working.remove(&worker);
    }

    /// Returns whether the chunk may have killed a worker.
    pub(super) fn has_lost(&self) -> bool {
        !self.lost.is_empty()
    }

    /// Returns the workers that the repository must be asked about now. That is the case if no worker has reported
    /// about the chunk for a while, or if a second worker has begun it.
    pub(super) fn suspects(&mut self, is_silent: bool, every: Duration) -> BTreeSet<WorkerId> {
        let is_due =
            (is_silent || self.working.len() > 1) && self.asked.is_none_or(|asked| asked.elapsed() >= every);
        if !is_due || self.working.is_empty() {
            return BTreeSet::new();
        }
        self.asked = Some(Instant::now());
        self.working.clone()
    }

    /// Records what became of a worker. Returns whether it was lost with this chunk.
    pub(super) fn note(&mut self, worker: WorkerId, fate: &Fate) -> bool {
        match fate {
            Fate::Lives => false,
            Fate::Ended => {
                self.working.remove(&worker);
                false
            }
            Fate::Lost(name) => {
                let was_working = self.working.remove(&worker);
                if was_working {
                    self.lost.insert(worker, name.clone());
                }
                was_working
            }
        }
    }

    /// The failure of the step if too many workers were lost.
    pub(super) fn failure<In, Out>(&self, read_chunk: &ReadChunk<In, Out>) -> Option<Failure> {
        (self.lost.len() >= MOST_LOSSES as usize).then(|| {
            Failure::new(format!(
                "{} workers in a row were lost while they processed {}: {}; find out from their logs what ended them: the step \
                 cannot get past this chunk until that is fixed",
                self.lost.len(),
                chunk(read_chunk),
                self.names()
            ))
        })
    }

    /// The failure of the step if no worker is available for a chunk that the manager must not process.
    pub(super) fn abandoned<In, Out>(&self, read_chunk: &ReadChunk<In, Out>, why: &str) -> Failure {
        Failure::new(format!(
            "{} must not be processed by the manager, because the workers that began it were lost ({}), and no other worker is available: {why}",
            chunk(read_chunk),
            self.names()
        ))
    }

    /// The message that the chunk is waiting for a worker.
    pub(super) fn waiting_message<In, Out>(&self, read_chunk: &ReadChunk<In, Out>) -> String {
        format!(
            "{} is waiting for a worker, because those that began it were lost ({}), and it must not be processed by the manager: start a worker with \
             the command `worker`",
            chunk(read_chunk),
            self.names()
        )
    }

    fn names(&self) -> String {
        let names: Vec<&str> = self.lost.values().map(String::as_str).collect();
        names.join(", ")
    }
}

/// The message that a worker was lost while it processed a chunk.
pub(super) fn lost_message<In, Out>(name: &str, read_chunk: &ReadChunk<In, Out>) -> String {
    format!("{name} was lost while it processed {}; another worker processes it again", chunk(read_chunk))
}

/// Describes the chunk by its place in the input.
fn chunk<In, Out>(read_chunk: &ReadChunk<In, Out>) -> String {
    let records = &read_chunk.end.records;
    let last = read_chunk.end.location.as_ref().map(|place| format!(" (the last at {place})"));
    let last = last.unwrap_or_default();
    format!("the chunk of records {} to {} of this run{last}", records.start + 1, records.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_mins(1);

    fn lost(worker: i64) -> (WorkerId, Fate) {
        (WorkerId(worker), Fate::Lost(format!("worker {worker}")))
    }

    #[test]
    fn a_worker_is_lost_with_a_chunk_once() {
        let mut holders = ChunkHolders::default();
        let (worker, fate) = lost(1);
        holders.begins(worker);
        assert!(holders.note(worker, &fate));
        // A message that the worker sent earlier may arrive late.
        holders.begins(worker);
        assert!(!holders.note(worker, &fate));
        assert!(holders.has_lost());
    }

    #[test]
    fn a_worker_that_gave_the_chunk_back_or_ended_in_order_is_not_lost_with_it() {
        let mut holders = ChunkHolders::default();
        let (first, fate) = lost(1);
        holders.begins(first);
        holders.gives_back(first);
        assert!(!holders.note(first, &fate));
        holders.begins(WorkerId(2));
        assert!(!holders.note(WorkerId(2), &Fate::Ended));
        assert!(!holders.has_lost());
    }

    #[test]
    fn the_repository_is_asked_when_a_second_worker_begins_and_during_silence_now_and_then() {
        let mut holders = ChunkHolders::default();
        holders.begins(WorkerId(1));
        assert!(holders.suspects(false, EVERY).is_empty());
        assert_eq!(holders.suspects(true, EVERY).len(), 1);
        assert!(holders.suspects(true, EVERY).is_empty());
        holders.begins(WorkerId(2));
        assert_eq!(holders.suspects(false, EVERY).len(), 2);
        assert!(holders.suspects(false, EVERY).is_empty());
    }
}
