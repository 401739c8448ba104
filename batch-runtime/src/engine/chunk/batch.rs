//! The items of one chunk and its bounds: what a [`Feed`](super::feed::Feed) fills and the chunk loop commits.

use std::time::Instant;

use crate::definition::{Failure, Process, Sink, StepInfo};
use crate::engine::faults::backoff::Pause;
use crate::engine::faults::retry::Noted;

/// The items of one chunk, and the number of its record that each stems from (empty where no care is taken).
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

/// The buffer of one chunk is never larger at first than this many items, whatever `chunk` says.
pub(crate) const FIRST_CAPACITY: usize = 64 * 1024;

/// A chunk ends after so many records that cannot be read and are skipped, also without an item: its skips are kept until it is
/// committed.
pub(crate) const MOST_UNREAD: u64 = 10_000;

/// The outputs of one chunk.
///
/// `CAREFUL` where an item may have to be told from the others, because the step skips or repeats or is listened to: each output is
/// then kept with the number of the record it stems from.
pub(crate) struct Batch<In, P: Process<In>, const CAREFUL: bool> {
    pub(crate) outputs: Outputs<P::Out>,
    /// What bulk processors said of single records, in their order.
    pub(crate) rejected: Vec<(u32, Failure)>,
    /// Calls that were repeated, with the records they were for.
    pub(crate) repeated: Vec<Repeated<In>>,
    /// Items with the numbers of their records, as long as something may be rejected that stems from them.
    pub(crate) left: Vec<(u32, Option<In>)>,
    /// The number of the record that is being processed.
    pub(crate) source: u32,
    /// The number that something came out for last, and how many there were; counted only where processors hold items
    /// back, as else the length tells.
    pub(crate) last_source: Option<u32>,
    pub(crate) produced: u64,
}

impl<In, P: Process<In>, const CAREFUL: bool> Batch<In, P, CAREFUL> {
    pub(crate) fn with_capacity(items: usize) -> Self {
        Self::within(Outputs::with_capacity(0, 0), items)
    }

    /// In buffers that are there already, with room for so many items.
    pub(crate) fn within(mut outputs: Outputs<P::Out>, items: usize) -> Self {
        outputs.items.reserve(items);
        if CAREFUL {
            outputs.sources.reserve(items);
        }
        Self {
            outputs,
            rejected: Vec::new(),
            repeated: Vec::new(),
            left: Vec::new(),
            source: 0,
            last_source: None,
            produced: 0,
        }
    }

    /// Ready for the next chunk.
    pub(crate) fn clear(&mut self) {
        self.outputs.clear();
        self.rejected.clear();
        self.repeated.clear();
        self.left.clear();
        (self.last_source, self.produced) = (None, 0);
    }

    /// Calls for the record that is being processed were repeated.
    #[cold]
    pub(crate) fn note(&mut self, attempts: Noted, item: Option<In>) {
        self.repeated.push(Repeated { source: self.source, attempts, item });
    }

    /// The item of a record, where it is in hand still.
    pub(crate) fn left(&self, source: u32) -> Option<&In> {
        let place = self.left.iter().find(|(number, item)| *number == source && item.is_some());
        place.and_then(|(_, item)| item.as_ref())
    }

    /// The same, for good.
    pub(crate) fn take_left(&mut self, source: u32) -> Option<In> {
        let place = self.left.iter_mut().find(|(number, item)| *number == source && item.is_some());
        place.and_then(|(_, item)| item.take())
    }

    /// Takes back what came out for the record that is being processed.
    pub(crate) fn take_back(&mut self) {
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
        self.take_back();
        self.rejected.push((self.source, failure));
        Ok(())
    }
}

/// What reading and processing one chunk gave.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Filled {
    /// Items that were handed out.
    pub(crate) read: u64,
    /// Items that nothing came out for.
    pub(crate) filtered: u64,
    /// Records of the chunk: the items, and what could not be read and was stepped over. Counted only where care is taken.
    pub(crate) records: u32,
    /// Of the items, those that are skipped.
    pub(crate) skipped: u64,
    /// The input is at its end.
    pub(crate) ended: bool,
}

impl Filled {
    /// Its records, also where no care is taken: then all of them are items.
    pub(crate) fn records<const CAREFUL: bool>(self) -> u64 {
        if CAREFUL { u64::from(self.records) } else { self.read }
    }
}

/// Calls for one record that failed and were repeated.
pub(crate) struct Repeated<In> {
    pub(crate) source: u32,
    /// Each with the number of the repetition.
    pub(crate) attempts: Noted,
    /// The item that was read, where it is in hand still, and nobody else needs it.
    pub(crate) item: Option<In>,
}

/// Why a chunk could not be filled.
pub(crate) enum Fault<E, In> {
    /// Reading failed.
    Read(E),
    /// Processing the last item failed; it is there where the processors leave it.
    Process(Failure, Option<In>),
    /// Processing the chunk as a whole failed.
    Flush(Failure),
    /// A listener did not let it go on.
    Listener(Failure),
}

/// How far a chunk is filled.
#[derive(Clone, Copy)]
pub(crate) struct Extent<'c> {
    /// That many items, and more where the reader keeps a group in one chunk.
    pub(crate) items: u64,
    /// Never more than that.
    pub(crate) most: u64,
    /// Until then by that clock, once there is an item. Looked at only where care is taken.
    pub(crate) until: Option<(Instant, &'c dyn Pause)>,
}

impl<'c> Extent<'c> {
    /// Of a chunk of that step which begins now, of that many items.
    pub(crate) fn of(step: &StepInfo, items: usize, clock: &'c dyn Pause) -> Self {
        let until = step.options.chunk_time.and_then(|bound| clock.now().checked_add(bound));
        let until = until.map(|until| (until, clock));
        Self { items: items as u64, most: u64::MAX, until }
    }

    /// Of a chunk that has room for so many records, where so much of it is filled: what was stepped over takes room and is no item.
    pub(crate) fn cut(self, filled: Filled, room: u64) -> Self {
        let stepped_over = u64::from(filled.records).saturating_sub(filled.read);
        let most = room.saturating_sub(stepped_over);
        let items = if stepped_over < MOST_UNREAD { self.items.min(most) } else { 0 };
        Self { items, most, ..self }
    }

    /// Is its time over?
    #[inline]
    pub(crate) fn is_over(self) -> bool {
        self.until.is_some_and(|(until, clock)| clock.now() >= until)
    }
}
