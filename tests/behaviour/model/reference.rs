//! What has to come out: the rules in their shortest form, without a database, a file or a checkpoint.

use std::collections::BTreeMap;
use std::ops::Range;

use batch_runtime::repository::Counters;

use super::subject::{Fault, Place, Rules, What, outputs};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Completed,
    Failed,
    Stopped,
}

/// What is committed, and what is still to fail.
pub(super) struct Model {
    rules: Rules,
    records: i64,
    faults: BTreeMap<(Place, i64), (What, u32)>,
    pub(super) counters: Counters,
    pub(super) rows: Vec<i64>,
    /// Phase and record.
    skipped: Vec<(&'static str, i64)>,
    next: i64,
    processed: i64,
    stopping: bool,
    waits: u32,
    stopped_wait: Option<u32>,
}

/// A chunk under way.
struct Chunk {
    next: i64,
    processed: i64,
    items: Vec<(i64, i64)>,
    skips: Vec<(&'static str, i64)>,
    counters: Counters,
    ended: bool,
}

impl Model {
    pub(super) fn new(rules: Rules, records: i64, faults: &[Fault]) -> Self {
        let faults =
            faults.iter().map(|fault| ((fault.place, fault.item), (fault.what, fault.times))).collect();
        Self {
            rules,
            records,
            faults,
            counters: Counters::default(),
            rows: Vec::new(),
            skipped: Vec::new(),
            next: 1,
            processed: 0,
            stopping: false,
            waits: 0,
            stopped_wait: None,
        }
    }

    pub(super) fn heal(&mut self) {
        self.faults.clear();
    }

    pub(super) fn skipped(&self) -> Vec<(String, i64)> {
        self.skipped.iter().map(|(phase, record)| ((*phase).to_owned(), *record)).collect()
    }

    pub(super) fn run(&mut self, stopped_wait: Option<u32>) -> Outcome {
        (self.stopping, self.waits, self.stopped_wait) = (false, 0, stopped_wait);
        loop {
            if self.stopping {
                return Outcome::Stopped;
            }
            let mut chunk = Chunk {
                next: self.next,
                processed: self.processed,
                items: Vec::new(),
                skips: Vec::new(),
                counters: self.counters,
                ended: false,
            };
            if let Err(outcome) = self.fill(&mut chunk).and_then(|()| self.write(&mut chunk)) {
                return outcome;
            }
            if chunk.next > self.next {
                (self.next, self.processed) = (chunk.next, chunk.processed);
                self.counters = chunk.counters;
                self.counters.commit += 1;
                chunk.skips.sort_by_key(|(_, record)| *record);
                self.skipped.append(&mut chunk.skips);
            }
            if chunk.ended {
                return Outcome::Completed;
            }
        }
    }

    /// Does it fail now? What happens so many times happens once less.
    fn trip(&mut self, place: Place, item: i64) -> Result<(), What> {
        let Some((what, times)) = self.faults.get_mut(&(place, item)).filter(|(_, times)| *times > 0) else {
            return Ok(());
        };
        *times -= u32::from(*times != u32::MAX);
        if *what == What::Stop {
            self.stopping = true;
            return Ok(());
        }
        Err(*what)
    }

    /// Calls until it succeeds or the rules do not say to try again.
    fn repeat(
        &mut self,
        mut call: impl FnMut(&mut Self) -> Result<(), What>,
    ) -> Result<Result<(), What>, Outcome> {
        let mut repeated = 0;
        loop {
            match call(self) {
                Err(What::Busy) if repeated < self.rules.retry => {
                    repeated += 1;
                    self.waits += 1;
                    self.stopping |= self.stopped_wait == Some(self.waits);
                    if self.stopping {
                        return Err(Outcome::Stopped);
                    }
                }
                done => return Ok(done),
            }
        }
    }

    fn allows(&self, what: What, chunk: &Chunk) -> Result<(), Outcome> {
        let is_skipped = what == What::Bad || (what == What::Busy && self.rules.skips_busy);
        let so_far = self.counters.skips() + chunk.skips.len() as u64;
        if is_skipped && so_far < self.rules.skip { Ok(()) } else { Err(Outcome::Failed) }
    }

    fn fill(&mut self, chunk: &mut Chunk) -> Result<(), Outcome> {
        let full = chunk.counters.read + self.rules.chunk;
        while chunk.counters.read < full {
            if chunk.next > self.records {
                chunk.ended = true;
                break;
            }
            let record = chunk.next;
            match self.repeat(|model| model.trip(Place::Read, record))? {
                Ok(()) => {}
                Err(What::Bad) => {
                    self.allows(What::Bad, chunk)?;
                    chunk.skips.push(("READ", record));
                    chunk.counters.read_skip += 1;
                    chunk.next += 1;
                    continue;
                }
                Err(_) => return Err(Outcome::Failed),
            }
            chunk.next += 1;
            chunk.counters.read += 1;
            match self.repeat(|model| model.trip(Place::Process, record))? {
                Ok(()) => {
                    chunk.processed += 1;
                    let outputs = outputs(chunk.processed, record);
                    chunk.counters.filter += u64::from(outputs.is_empty());
                    chunk.items.extend(outputs.into_iter().map(|output| (record, output)));
                }
                Err(what) => {
                    self.allows(what, chunk)?;
                    chunk.skips.push(("PROCESS", record));
                    chunk.counters.process_skip += 1;
                }
            }
        }
        Ok(())
    }

    fn attempt(&mut self, items: &[(i64, i64)]) -> Result<(), What> {
        items.iter().try_for_each(|(record, _)| self.trip(Place::Write, *record))
    }

    fn write(&mut self, chunk: &mut Chunk) -> Result<(), Outcome> {
        let items = std::mem::take(&mut chunk.items);
        let mut kept = Vec::new();
        match self.repeat(|model| model.attempt(&items))? {
            Ok(()) => kept.extend(&items),
            Err(what) => {
                self.allows(what, chunk)?;
                self.halve(&items, 0..items.len(), chunk, &mut kept)?;
            }
        }
        chunk.counters.write += kept.len() as u64;
        self.rows.extend(kept.iter().map(|(_, output)| output));
        Ok(())
    }

    /// Of a part that failed and whose failure is skipped.
    fn halve(
        &mut self,
        items: &[(i64, i64)],
        part: Range<usize>,
        chunk: &mut Chunk,
        kept: &mut Vec<(i64, i64)>,
    ) -> Result<(), Outcome> {
        if part.len() == 1 {
            chunk.skips.push(("WRITE", items[part.start].0));
            chunk.counters.write_skip += 1;
            return Ok(());
        }
        let middle = part.start + part.len() / 2;
        for half in [part.start..middle, middle..part.end] {
            // What is skipped is looked for; only what is not is waited out.
            let mut what = What::Bad;
            let written = self.repeat(|model| {
                let written = model.attempt(&items[half.clone()]);
                written.map_err(|why| {
                    what = why;
                    if model.allows(why, chunk).is_ok() { What::Bad } else { why }
                })
            })?;
            match written {
                Ok(()) => kept.extend(&items[half]),
                Err(_) => {
                    self.allows(what, chunk)?;
                    self.halve(items, half, chunk, kept)?;
                }
            }
        }
        Ok(())
    }
}
