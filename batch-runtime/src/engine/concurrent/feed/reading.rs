//! Reads items ahead, as many as the processors have room for, and hands them to the processors.

use super::Concurrent;
use crate::definition::{Failure, Phase, Process, Reader, StepListener};
use crate::engine::chunk::batch::{Extent, MAX_UNREAD};
use crate::engine::chunk::shared::{Shared, halt};
use crate::engine::concurrent::read_ahead::{Blocked, ChunkAhead, ReaderPosition, pass};
use crate::engine::faults::panic;
use crate::engine::faults::reopen::{read_failure, stepped_over};
use crate::engine::phase::log_if_failed;
use crate::engine::step::Halt;
use crate::repository::SkipPhase;

impl<R, P, A, const CAREFUL: bool> Concurrent<'_, R, P, A, CAREFUL>
where
    R: Reader,
    P: Process<R::Item>,
    A: FnMut() -> Result<R, Failure>,
{
    /// Reads as many items as there is room for. Returns whether it read any.
    pub(super) fn read_ahead<L: StepListener<R::Item, P::Out>>(
        &mut self,
        shared: &mut Shared<'_, '_, R::Item, L>,
        extent: Extent<'_>,
    ) -> bool {
        let mut any = false;
        let bound = (self.processor.window() as u64).saturating_add(extent.items);
        while self.blocked.is_none() && !self.ended && self.processor.has_room() {
            let front = self.front();
            let is_open = front.closed.is_none();
            let end = front.end;
            if !is_open && u64::from(self.next.wrapping_sub(end)) >= bound {
                break;
            }
            self.read_one(shared, extent);
            any = true;
        }
        any
    }

    fn read_one<L: StepListener<R::Item, P::Out>>(
        &mut self,
        shared: &mut Shared<'_, '_, R::Item, L>,
        extent: Extent<'_>,
    ) {
        if L::HEARS_ITEMS
            && let Err(failure) = shared.listener.before_read()
        {
            self.blocked = Some(Blocked::Listener(failure));
            return;
        }
        if self.chunks.back().is_none_or(|chunk| chunk.closed.is_some()) {
            self.chunks.push_back(ChunkAhead::at(self.next));
        }
        let reader = self.reader.as_mut().expect("a reader that could not be reopened ends the step");
        let committed_ranges = &mut self.committed_ranges;
        if !committed_ranges.is_empty()
            && let Err(blocked) = pass::<_, CAREFUL>(reader, committed_ranges, shared.run.info.options.faults)
        {
            self.blocked = Some(blocked);
            return;
        }
        let chunk = self.chunks.back_mut().expect("was just seen or pushed");
        let source = self.next;
        // A panic is not reported at once: the records before this one are processed first.
        let read = match panic::catch(|| reader.read()) {
            Ok(read) => read,
            Err(panicked) => {
                self.blocked = Some(Blocked::Panicked(panicked));
                return;
            }
        };
        let item = match read {
            Ok(Some(item)) => item,
            Ok(None) if !committed_ranges.is_empty() => {
                self.blocked = Some(Blocked::Read { failure: committed_ranges.too_short(), reopens: false });
                return;
            }
            Ok(None) => {
                chunk.closed = Some(ReaderPosition::of(reader, committed_ranges));
                chunk.ended = true;
                self.ended = true;
                return;
            }
            Err(error) => {
                let (failure, steps_over) = read_failure(error, reader, shared.run.info.options.faults);
                if CAREFUL && steps_over {
                    self.next = self.next.wrapping_add(1);
                    chunk.extend_to(self.next, reader, committed_ranges);
                    let unread = u64::from(self.next.wrapping_sub(chunk.first)) - chunk.read;
                    if unread >= MAX_UNREAD && chunk.closed.is_none() && reader.may_end_chunk() {
                        chunk.closed = Some(ReaderPosition::of(reader, committed_ranges));
                    }
                    self.reorder_buffer.add_fault(source, SkipPhase::Read, failure);
                } else {
                    self.blocked = Some(Blocked::Read { failure, reopens: CAREFUL });
                }
                return;
            }
        };
        self.next = self.next.wrapping_add(1);
        chunk.read += 1;
        chunk.extend_to(self.next, reader, committed_ranges);
        if chunk.read >= extent.items && chunk.closed.is_none() && reader.may_end_chunk() {
            chunk.closed = Some(ReaderPosition::of(reader, committed_ranges));
        }
        if let Some(location) = reader.location() {
            self.locations.push_back((source, location));
        }
        if L::HEARS_ITEMS {
            log_if_failed(shared.listener.after_read(&item));
            if let Err(failure) = shared.listener.before_process(&item) {
                self.blocked = Some(Blocked::Listener(failure));
                return;
            }
        }
        let Self { processor, reorder_buffer, .. } = self;
        reorder_buffer.source = source;
        let processed = if CAREFUL && P::LEAVES {
            let processed = panic::catch(|| processor.process_ref(&item, reorder_buffer)).unwrap_or_else(Err);
            self.held.push_back((source, item));
            processed
        } else {
            panic::catch(|| processor.process(item, reorder_buffer)).unwrap_or_else(Err)
        };
        if let Err(failure) = processed {
            processor.discard(source);
            if failure.is_unreadable() {
                self.held.pop_back_if(|(held, _)| *held == source);
                self.chunks.back_mut().expect("the record is in the last chunk").read -= 1;
                let failure = stepped_over(failure, shared.run.info.options.faults);
                reorder_buffer.add_fault(source, SkipPhase::Read, failure);
            } else {
                reorder_buffer.add_fault(source, SkipPhase::Process, failure);
            }
        }
    }

    /// Reopens the reader or ends the step, once everything before the blocked read is done.
    pub(super) fn unblock<L: StepListener<R::Item, P::Out>>(
        &mut self,
        blocked: Blocked,
        shared: &mut Shared<'_, '_, R::Item, L>,
    ) -> Result<(), Halt> {
        let (failure, reopens) = match blocked {
            Blocked::Listener(failure) => return Err(halt(failure)),
            Blocked::Panicked(failure) => return Err(Halt::Failed(shared.blame(failure, Phase::Read))),
            Blocked::Read { failure, reopens } => (shared.blame(failure, Phase::Read), reopens),
        };
        log_if_failed(shared.listener.on_read_error(&failure));
        if !reopens {
            return Err(halt(failure));
        }
        let Self { reader, repeats, reopen, .. } = self;
        *reader = Some(shared.read_again(repeats, reader, failure, reopen)?);
        Ok(())
    }
}
