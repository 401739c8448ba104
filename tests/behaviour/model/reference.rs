//! Computes the expected result: the rules in their shortest form, without a database, file or checkpoint.

use std::collections::BTreeMap;

use batch_runtime::repository::Counters;

use super::subject::{Fault, Place, Rules, What, outputs};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Completed,
    Failed,
    Stopped,
}

/// The committed result.
#[derive(Debug, Clone, Default)]
pub(super) struct Done {
    records: i64,
    processed: i64,
    pub(super) counters: Counters,
    pub(super) rows: Vec<i64>,
    /// Phase and record.
    pub(super) skipped: Vec<(String, i64)>,
}

/// The committed result, and the faults still to come.
pub(super) struct Model {
    rules: Rules,
    records: i64,
    faults: BTreeMap<(Place, i64), (What, u32)>,
    pub(super) done: Done,
    stopping: bool,
    waits: u32,
    stopped_wait: Option<u32>,
}

impl Model {
    pub(super) fn new(rules: Rules, records: i64, faults: &[Fault]) -> Self {
        let faults = faults.iter().map(|it| ((it.place, it.item), (it.what, it.times))).collect();
        let done = Done::default();
        Self { rules, records, faults, done, stopping: false, waits: 0, stopped_wait: None }
    }

    pub(super) fn heal(&mut self) {
        self.faults.clear();
    }

    pub(super) fn run(&mut self, stopped_wait: Option<u32>) -> Outcome {
        (self.stopping, self.waits, self.stopped_wait) = (false, 0, stopped_wait);
        loop {
            if self.stopping {
                return Outcome::Stopped;
            }
            let mut done = self.done.clone();
            match self.chunk(&mut done) {
                Err(outcome) => return outcome,
                Ok(ended) if done.records == self.done.records && ended => return Outcome::Completed,
                Ok(ended) => {
                    done.counters.commit += 1;
                    done.skipped[self.done.skipped.len()..].sort_by_key(|(_, record)| *record);
                    self.done = done;
                    if ended {
                        return Outcome::Completed;
                    }
                }
            }
        }
    }

    /// Fails if the item has failures left at that place, and uses up one of them.
    fn trip(&mut self, place: Place, item: i64) -> Result<(), What> {
        match self.faults.get_mut(&(place, item)) {
            Some((what, times)) if *times > 0 => {
                *times -= u32::from(*times != u32::MAX);
                self.stopping |= *what == What::Stop;
                if *what == What::Stop { Ok(()) } else { Err(*what) }
            }
            _ => Ok(()),
        }
    }

    /// Calls until it succeeds, or fails with an error that is not retried.
    fn repeat(
        &mut self,
        mut call: impl FnMut(&mut Self) -> Result<(), What>,
    ) -> Result<Result<(), What>, Outcome> {
        for repeated in 0.. {
            match call(self) {
                Err(What::Busy) if repeated < self.rules.retry => {
                    self.waits += 1;
                    self.stopping |= self.stopped_wait == Some(self.waits);
                    if self.stopping {
                        return Err(Outcome::Stopped);
                    }
                }
                done => return Ok(done),
            }
        }
        unreachable!("an attempt is the last")
    }

    fn is_skipped(&self, what: What, done: &Done) -> bool {
        (what == What::Bad || (what == What::Busy && self.rules.skips_busy))
            && (done.skipped.len() as u64) < self.rules.skip
    }

    fn skip(&self, phase: &str, record: i64, what: What, done: &mut Done) -> Result<(), Outcome> {
        if !self.is_skipped(what, done) {
            return Err(Outcome::Failed);
        }
        done.skipped.push((phase.to_owned(), record));
        Ok(())
    }

    /// Reads, processes and writes a chunk; true at the end of the input.
    fn chunk(&mut self, done: &mut Done) -> Result<bool, Outcome> {
        let full = done.counters.read + self.rules.chunk;
        let mut items = Vec::new();
        while done.counters.read < full && done.records < self.records {
            let record = done.records + 1;
            match self.repeat(|model| model.trip(Place::Read, record))? {
                Err(What::Busy) => return Err(Outcome::Failed),
                Err(what) => {
                    self.skip("READ", record, what, done)?;
                    done.counters.read_skip += 1;
                    done.records = record;
                    continue;
                }
                Ok(()) => done.records = record,
            }
            done.counters.read += 1;
            if let Err(what) = self.repeat(|model| model.trip(Place::Process, record))? {
                self.skip("PROCESS", record, what, done)?;
                done.counters.process_skip += 1;
                continue;
            }
            done.processed += 1;
            let outputs = outputs(done.processed, record);
            done.counters.filter += u64::from(outputs.is_empty());
            items.extend(outputs.into_iter().map(|output| (record, output)));
        }
        let ended = done.counters.read < full;
        if done.counters.read == 0 && done.counters.read_skip > 0 {
            // No record of its input can be read.
            return Err(Outcome::Failed);
        }
        match self.repeat(|model| model.attempt(&items))? {
            Ok(()) => keep(&items, done),
            Err(what) => self.halve(&items, what, done)?,
        }
        Ok(ended)
    }

    fn attempt(&mut self, items: &[(i64, i64)]) -> Result<(), What> {
        items.iter().try_for_each(|(record, _)| self.trip(Place::Write, *record))
    }

    /// Searches a failed chunk for items to skip; other errors are retried.
    fn halve(&mut self, items: &[(i64, i64)], what: What, done: &mut Done) -> Result<(), Outcome> {
        if !self.is_skipped(what, done) {
            return Err(Outcome::Failed);
        }
        if let [(record, _)] = items {
            done.counters.write_skip += 1;
            return self.skip("WRITE", *record, what, done);
        }
        let (left, right) = items.split_at(items.len() / 2);
        for half in [left, right] {
            let mut why = None;
            let written = self.repeat(|model| {
                let written = model.attempt(half);
                why = written.err().filter(|what| model.is_skipped(*what, done));
                if why.is_some() { Ok(()) } else { written }
            })?;
            match (written, why) {
                (Ok(()), None) => keep(half, done),
                (Ok(()), Some(what)) => self.halve(half, what, done)?,
                (Err(_), _) => return Err(Outcome::Failed),
            }
        }
        Ok(())
    }
}

fn keep(items: &[(i64, i64)], done: &mut Done) {
    done.counters.write += items.len() as u64;
    done.rows.extend(items.iter().map(|(_, output)| output));
}
