//! The inner loop: reads and processes the items of one chunk.
//!
//! The compiler makes a copy of this loop for every pipe, so that an item costs no virtual call, no
//! allocation and no lock.

use crate::engine::chunk::batch::{Batch, Extent, FIRST_CAPACITY, Fault, Filled};
use crate::engine::phase::{in_phase, in_phase_of_record, log_if_failed};
use std::cell::Cell;

use crate::definition::{Phase, Process, Reader, Slot, StepListener};
use crate::engine::profile::{Laps, Timed};

/// A reader, the processors of its items, and the buffer for their outputs.
pub(crate) struct Pipeline<R: Reader, P: Process<R::Item>, const CAREFUL: bool> {
    pub(crate) reader: R,
    pub(crate) processor: P,
    pub(crate) batch: Batch<R::Item, P, CAREFUL>,
}

type FilledPipeline<R, P, const CAREFUL: bool> =
    (Pipeline<R, P, CAREFUL>, Filled, Result<(), Fault<<R as Reader>::Error, <R as Reader>::Item>>);

impl<R: Reader, P: Process<R::Item>, const CAREFUL: bool> Pipeline<R, P, CAREFUL> {
    pub(crate) fn new(reader: R, processor: P, chunk: usize) -> Self {
        Self { reader, processor, batch: Batch::with_capacity(chunk.min(FIRST_CAPACITY)) }
    }

    /// Reads and processes one chunk, item by item. Continues after the items that `filled` already counts.
    #[inline]
    pub(crate) fn fill<L: StepListener<R::Item, P::Out>>(
        self,
        extent: Extent<'_>,
        filled: Filled,
        listener: &mut L,
        phase: &Cell<Phase>,
    ) -> FilledPipeline<R, P, CAREFUL> {
        self.run::<L, false>(extent, filled, listener, phase, None)
    }

    /// As [`fill`](Self::fill), but times reader and processors one by one. The reader has the number 0.
    #[inline(never)]
    pub(crate) fn fill_timed<L: StepListener<R::Item, P::Out>>(
        self,
        extent: Extent<'_>,
        filled: Filled,
        listener: &mut L,
        phase: &Cell<Phase>,
        laps: &mut Laps,
    ) -> FilledPipeline<R, P, CAREFUL> {
        self.run::<L, true>(extent, filled, listener, phase, Some(laps))
    }

    /// Takes and returns the pipeline by value. The compiler keeps the counters of reader, processor and
    /// buffer in registers only if they are in locals whose address does not escape; through a reference it
    /// writes them to memory for every item.
    #[inline]
    fn run<L: StepListener<R::Item, P::Out>, const TIMED: bool>(
        self,
        extent: Extent<'_>,
        filled: Filled,
        listener: &mut L,
        phase: &Cell<Phase>,
        mut laps: Option<&mut Laps>,
    ) -> FilledPipeline<R, P, CAREFUL> {
        let Self { mut reader, mut processor, mut batch } = self;
        let Filled { mut read, mut filtered, mut records, skipped, mut ended } = filled;
        let mut last = batch.outputs.items.len();
        let mut fault = None;
        while !ended && (read < extent.items || !reader.may_end_chunk() && read < extent.max_items) {
            if CAREFUL && read > 0 && reader.may_end_chunk() && extent.is_over() {
                break;
            }
            if L::HEARS_ITEMS
                && let Err(failure) = listener.before_read()
            {
                fault = Some(Fault::Listener(failure));
                break;
            }
            lap::<TIMED>(&mut laps, Laps::next_item);
            let record = if CAREFUL { u64::from(records) } else { read };
            let item = match in_phase_of_record(phase, Phase::Read, record, || reader.read()) {
                Ok(Some(item)) => item,
                Ok(None) => {
                    ended = true;
                    break;
                }
                Err(error) => {
                    fault = Some(Fault::Read(error));
                    break;
                }
            };
            lap::<TIMED>(&mut laps, |laps| laps.enter(P::PARTS.min(1)));
            if CAREFUL {
                batch.source = records;
                records = records.saturating_add(1);
                processor.hold(Slot::Item);
            } else if P::BUFFERS {
                batch.source = source_number(read);
            }
            read += 1;
            if L::HEARS_ITEMS {
                log_if_failed(listener.after_read(&item));
                if let Err(failure) = listener.before_process(&item) {
                    fault = Some(Fault::Listener(failure));
                    break;
                }
            }
            if (CAREFUL || R::RECYCLES) && P::LEAVES {
                let processed =
                    in_phase_of_record(phase, Phase::Process, record, || match laps_of::<TIMED>(&mut laps) {
                        Some(laps) => processor.process_ref(&item, &mut Timed { sink: &mut batch, laps }),
                        None => processor.process_ref(&item, &mut batch),
                    });
                if let Err(failure) = processed {
                    fault = Some(Fault::Process(failure, Some(item)));
                    break;
                }
                if CAREFUL && P::BUFFERS {
                    batch.faults.held.push((batch.source, Some(item)));
                    if P::NOTES && processor.has_noted() {
                        batch.note(processor.take_noted(), None);
                    }
                } else if CAREFUL && P::NOTES && processor.has_noted() {
                    batch.note(processor.take_noted(), Some(item));
                } else if R::RECYCLES {
                    reader.recycle(item);
                }
            } else {
                let processed =
                    in_phase_of_record(phase, Phase::Process, record, || match laps_of::<TIMED>(&mut laps) {
                        Some(laps) => processor.process(item, &mut Timed { sink: &mut batch, laps }),
                        None => processor.process(item, &mut batch),
                    });
                if let Err(failure) = processed {
                    fault = Some(Fault::Process(failure, None));
                    break;
                }
                if CAREFUL && P::NOTES && processor.has_noted() {
                    batch.note(processor.take_noted(), None);
                }
            }
            let length = batch.outputs.items.len();
            filtered += u64::from(length == last);
            if L::HEARS_ITEMS {
                for item in &batch.outputs.items[last..] {
                    log_if_failed(listener.after_process(item));
                }
            }
            last = length;
            lap::<TIMED>(&mut laps, |laps| laps.leave(P::PARTS.min(1)));
        }
        let mut filled = Filled { read, filtered, records, skipped, ended };
        let mut pipeline = Self { reader, processor, batch };
        let result = match fault {
            Some(fault) => Err(fault),
            None => pipeline.flush(&mut filled, listener, phase, laps),
        };
        (pipeline, filled, result)
    }

    fn flush<L: StepListener<R::Item, P::Out>>(
        &mut self,
        filled: &mut Filled,
        listener: &mut L,
        phase: &Cell<Phase>,
        laps: Option<&mut Laps>,
    ) -> Result<(), Fault<R::Error, R::Item>> {
        if !P::BUFFERS {
            return Ok(());
        }
        let Self { processor, batch, .. } = self;
        let before = batch.outputs.items.len();
        let flushed = in_phase(phase, Phase::Process, || match laps {
            Some(laps) => {
                laps.once_a_chunk();
                laps.enter(1);
                let flushed = processor.flush(&mut Timed { sink: batch, laps });
                laps.leave(1);
                flushed
            }
            None => processor.flush(batch),
        });
        if CAREFUL && P::NOTES && processor.has_noted() {
            batch.note(processor.take_noted(), None);
        }
        flushed.map_err(Fault::Flush)?;
        if CAREFUL && !P::LEAVES && !batch.faults.rejected.is_empty() {
            batch
                .faults
                .held
                .extend(processor.take_returned().into_iter().map(|(source, item)| (source, Some(item))));
        }
        if L::HEARS_ITEMS {
            for item in &batch.outputs.items[before..] {
                log_if_failed(listener.after_process(item));
            }
        }
        let produced = if CAREFUL {
            batch.outputs.sources.chunk_by(PartialEq::eq).count() as u64
        } else {
            batch.produced
        };
        filled.filtered = filled.read - filled.skipped - batch.faults.rejected.len() as u64 - produced;
        Ok(())
    }
}

/// Takes a lap in a chunk that is timed.
#[inline]
fn lap<const TIMED: bool>(laps: &mut Option<&mut Laps>, lap: impl FnOnce(&mut Laps)) {
    if let Some(laps) = laps_of::<TIMED>(laps) {
        lap(laps);
    }
}

/// Returns the laps if the chunk is timed. Otherwise the compiler removes the code that uses them.
#[inline]
fn laps_of<'l, const TIMED: bool>(laps: &'l mut Option<&mut Laps>) -> Option<&'l mut Laps> {
    if TIMED { laps.as_deref_mut() } else { None }
}

/// Returns the number of an item within its chunk. It saturates after four billion items.
#[inline]
fn source_number(read: u64) -> u32 {
    u32::try_from(read).unwrap_or(u32::MAX)
}
