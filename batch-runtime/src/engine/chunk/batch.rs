//! The items of one chunk and its bounds: what a [`Feed`](super::feed::Feed) fills and the chunk loop
//! commits.

use std::time::Instant;

use crate::definition::{Failure, Process, Sink, StepInfo};
use crate::engine::faults::pause::Pause;
use crate::engine::faults::retry::Noted;

/// The output items of one chunk, and for each the number of the record it stems from (empty unless
/// `CAREFUL`).
#[derive(Debug)]
pub(crate) struct Outputs<T> {
    pub(crate) items: Vec<T>,
    pub(crate) sources: Vec<u32>,
}

impl<T> Outputs<T> {
    pub(crate) fn with_capacity(items: usize, sources: usize) -> Self {
        Self { items: Vec::with_capacity(items), sources: Vec::with_capacity(sources) }
    }

    pub(crate) fn clear(&mut self) {
        self.items.clear();
        self.sources.clear();
    }
}

/// The initial capacity of a chunk's buffer is at most this many items, however large `chunk` is.
pub(crate) const FIRST_CAPACITY: usize = 64 * 1024;

/// A chunk ends after this many unreadable records, even without an item, because its skips are held in
/// memory until the commit.
pub(crate) const MAX_UNREAD: u64 = 10_000;

/// The outputs of one chunk.
///
/// `CAREFUL` is true if the step has `skip` or `retry` rules, a `chunk_time` or a listener for items, so that single
/// items must be told apart. Each output is then stored with the number of the record it stems from.
pub(crate) struct Batch<In, P: Process<In>, const CAREFUL: bool> {
    pub(crate) outputs: Outputs<P::Out>,
    /// Boxed, because the loop moves the batch in and out for every chunk.
    pub(crate) faults: Box<ItemFaults<In>>,
    /// The number of the record that is being processed.
    pub(crate) source: u32,
    /// The record of the last output, and the number of records with outputs. Counted only if processors
    /// buffer items; otherwise `outputs` grows exactly when a record has an output.
    pub(crate) last_source: Option<u32>,
    pub(crate) produced: u64,
}

/// The records of a chunk that need attention after the loop. Empty unless `CAREFUL`.
pub(crate) struct ItemFaults<In> {
    /// The records that bulk processors rejected, in their order.
    pub(crate) rejected: Vec<(u32, Failure)>,
    /// The calls that were retried, with their records.
    pub(crate) repeated: Vec<Repeated<In>>,
    /// The items read, with the numbers of their records, for as long as one of their outputs may still be
    /// rejected.
    pub(crate) held: Vec<(u32, Option<In>)>,
}

impl<In> ItemFaults<In> {
    /// Returns the item of a record, if it is still held.
    pub(crate) fn held(&self, source: u32) -> Option<&In> {
        let place = self.held.iter().find(|(number, item)| *number == source && item.is_some());
        place.and_then(|(_, item)| item.as_ref())
    }

    /// Removes and returns the item of a record, if it is still held.
    pub(crate) fn take_held(&mut self, source: u32) -> Option<In> {
        let place = self.held.iter_mut().find(|(number, item)| *number == source && item.is_some());
        place.and_then(|(_, item)| item.take())
    }
}

impl<In, P: Process<In>, const CAREFUL: bool> Batch<In, P, CAREFUL> {
    pub(crate) fn with_capacity(items: usize) -> Self {
        Self::within(Outputs::with_capacity(0, 0), items)
    }

    /// Reuses existing buffers, with room for this many items.
    pub(crate) fn within(mut outputs: Outputs<P::Out>, items: usize) -> Self {
        outputs.items.reserve(items);
        if CAREFUL {
            outputs.sources.reserve(items);
        }
        Self {
            outputs,
            faults: Box::new(ItemFaults { rejected: Vec::new(), repeated: Vec::new(), held: Vec::new() }),
            source: 0,
            last_source: None,
            produced: 0,
        }
    }

    /// Empties the batch for the next chunk.
    pub(crate) fn clear(&mut self) {
        self.outputs.clear();
        if CAREFUL {
            self.faults.rejected.clear();
            self.faults.repeated.clear();
            self.faults.held.clear();
        }
        (self.last_source, self.produced) = (None, 0);
    }

    /// Notes that calls for the current record were retried.
    #[cold]
    pub(crate) fn note(&mut self, attempts: Noted, item: Option<In>) {
        self.faults.repeated.push(Repeated { source: self.source, attempts, item });
    }

    /// Removes the outputs of the current record.
    pub(crate) fn retract(&mut self) {
        let Outputs { items, sources } = &mut self.outputs;
        let kept = sources.iter().rposition(|&source| source != self.source).map_or(0, |last| last + 1);
        items.truncate(kept);
        sources.truncate(kept);
    }
}

impl<In, P: Process<In>, const CAREFUL: bool> Sink<P::Out> for Batch<In, P, CAREFUL> {
    #[inline]
    fn push(&mut self, item: P::Out) -> Result<(), Failure> {
        if CAREFUL {
            self.outputs.sources.push(self.source);
        } else if P::BUFFERS && self.last_source != Some(self.source) {
            self.last_source = Some(self.source);
            self.produced += 1;
        }
        self.outputs.items.push(item);
        Ok(())
    }

    #[inline]
    fn source(&self) -> u32 {
        self.source
    }

    #[inline]
    fn set_source(&mut self, source: u32) {
        self.source = source;
    }

    fn reject(&mut self, failure: Failure) -> Result<(), Failure> {
        if !CAREFUL {
            return Err(failure);
        }
        self.retract();
        self.faults.rejected.push((self.source, failure));
        Ok(())
    }
}

/// The counts of one chunk after reading and processing it.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Filled {
    /// Items that the reader returned.
    pub(crate) read: u64,
    /// Items without output.
    pub(crate) filtered: u64,
    /// Records of the chunk: the items and the unreadable records that were stepped over. Counted only if
    /// `CAREFUL`.
    pub(crate) records: u32,
    /// Items that are skipped.
    pub(crate) skipped: u64,
    /// The input is at its end.
    pub(crate) ended: bool,
}

impl Filled {
    /// Returns the number of records of the chunk. Unless `CAREFUL`, every record is an item.
    pub(crate) fn records<const CAREFUL: bool>(self) -> u64 {
        if CAREFUL { u64::from(self.records) } else { self.read }
    }
}

/// The failed calls for one record that were retried.
pub(crate) struct Repeated<In> {
    pub(crate) source: u32,
    /// Each failure with the number of the retry.
    pub(crate) attempts: Noted,
    /// The item read, if it is still held and not needed elsewhere.
    pub(crate) item: Option<In>,
}

/// Why a chunk could not be filled.
pub(crate) enum Fault<E, In> {
    /// Reading failed.
    Read(E),
    /// Processing the last item failed. Contains the item if the processors only borrow it.
    Process(Failure, Option<In>),
    /// Processing the chunk as a whole failed.
    Flush(Failure),
    /// A listener failed.
    Listener(Failure),
}

/// How far to fill a chunk.
#[derive(Clone, Copy)]
pub(crate) struct Extent<'c> {
    /// The number of items. It grows while the reader keeps a group in one chunk.
    pub(crate) items: u64,
    /// The upper bound on items.
    pub(crate) max_items: u64,
    /// The deadline, with the clock that measures it. Once it has passed, the chunk ends as soon as it has an item.
    /// Checked only if `CAREFUL`.
    pub(crate) until: Option<(Instant, &'c dyn Pause)>,
}

impl<'c> Extent<'c> {
    /// Returns the extent of a chunk of `items` items that begins now.
    pub(crate) fn of(step: &StepInfo, items: usize, clock: &'c dyn Pause) -> Self {
        let until = step.options.chunk_time.and_then(|bound| clock.now().checked_add(bound));
        let until = until.map(|until| (until, clock));
        Self { items: items as u64, max_items: u64::MAX, until }
    }

    /// Limits the extent to `room` records. Records already stepped over take room but are not items.
    pub(crate) fn cut(self, filled: Filled, room: u64) -> Self {
        let stepped_over = u64::from(filled.records).saturating_sub(filled.read);
        let max_items = room.saturating_sub(stepped_over);
        let items = if stepped_over < MAX_UNREAD { self.items.min(max_items) } else { 0 };
        Self { items, max_items, ..self }
    }

    /// Returns whether the deadline has passed.
    #[inline]
    pub(crate) fn is_over(self) -> bool {
        self.until.is_some_and(|(until, clock)| clock.now() >= until)
    }
}
