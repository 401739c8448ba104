//! Receives: permits. Gives: a chunk of records for each, read on a thread of its own.

use std::collections::VecDeque;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender};

use super::{Back, Buffers, Common, Said, Unit, UnitEnd};
use crate::definition::{Failure, Phase, Pipe, Reader, Scope};
use crate::engine::checkpoint;
use crate::engine::fill::{Extent, FIRST_CAPACITY};
use crate::engine::panic;
use crate::engine::pipe::resume_reader;
use crate::engine::sequential::{ReadRepeats, located};
use crate::engine::step::of_role;

/// The thread that reads.
pub(super) struct Reading<'s, In, Out> {
    pub(super) common: Arc<Common<'s>>,
    pub(super) back: Receiver<Back<In, Out>>,
    pub(super) work: Sender<Unit<In, Out>>,
    pub(super) say: Sender<Said<In, Out>>,
}

impl<In, Out> Reading<'_, In, Out> {
    pub(super) fn run<P: Pipe<In = In, Out = Out>, const CAREFUL: bool>(self, inherited: Option<&str>) {
        let own = self.common.own();
        let scope = Scope::of_thread(self.common.environment, &own, self.common.bindings.clone());
        let open = || {
            let mut reader = P::reader(&scope)?;
            resume_reader(self.common.info, inherited, &mut reader)?;
            let position = checkpoint::encode(&reader.position())?;
            Ok((reader, position))
        };
        match panic::catch(open).and_then(|opened| opened) {
            Ok((reader, position)) => {
                let _ = self.say.send(Said::Reads(Ok(position)));
                // A panic while it reads is one of the chunk; this is one while it hears of a commit.
                if let Err(panicked) = panic::catch(|| self.read::<_, CAREFUL>(reader, || P::reader(&scope)))
                {
                    let _ = self.say.send(Said::Unheard(panicked));
                }
            }
            Err(failure) => {
                let failure = of_role(self.common.info, failure, "reader").during(Phase::Open);
                let _ = self.say.send(Said::Reads(Err(failure)));
            }
        }
    }

    /// Reads a chunk for each permit, and tells the reader of the commit that gave it back.
    fn read<R: Reader<Item = In>, const CAREFUL: bool>(
        &self,
        mut reader: R,
        mut anew: impl FnMut() -> Result<R, Failure>,
    ) {
        let mut repeats = ReadRepeats::default();
        // Of the chunks that are not committed.
        let mut behind: VecDeque<R::Position> = VecDeque::new();
        let mut number = 0;
        let mut is_at_end = false;
        for Back { buffers, committed } in &self.back {
            if committed {
                let Some(position) = behind.pop_front() else { return };
                if let Err(error) = reader.committed(&position) {
                    let _ = self.say.send(Said::Unheard(Failure::new(error)));
                    return;
                }
            }
            if is_at_end {
                // Only commits are still to come.
                continue;
            }
            let (unit, reader_behind) =
                self.unit::<R, CAREFUL>(number, buffers, reader, &mut anew, &mut repeats);
            is_at_end = unit.end.ended || unit.end.fatal.is_some();
            number += 1;
            let sent = self.work.send(unit);
            let (Ok(()), Some(open)) = (sent, reader_behind) else { return };
            reader = open;
            behind.push_back(reader.position());
        }
    }

    /// Reads one chunk. The reader is gone where it panicked, or could not be opened anew.
    fn unit<R: Reader<Item = In>, const CAREFUL: bool>(
        &self,
        number: u64,
        mut buffers: Buffers<In, Out>,
        reader: R,
        anew: &mut impl FnMut() -> Result<R, Failure>,
        repeats: &mut ReadRepeats,
    ) -> (Unit<In, Out>, Option<R>) {
        let fill = || {
            let (reader, ended) = self.fill::<R, CAREFUL>(&mut buffers, reader, anew, repeats)?;
            let position = checkpoint::encode(&reader.position())?;
            let end = UnitEnd { fatal: None, ended, position, progress: reader.progress() };
            Ok((end, reader))
        };
        // What was read before a panic is processed: what fails there comes first.
        let filled = panic::catch(fill)
            .map_err(|panicked| self.common.blame(panicked, Phase::Read))
            .and_then(|filled| filled);
        match filled {
            Ok((end, reader)) => (Unit { number, buffers, end }, Some(reader)),
            Err(failure) => (Unit { number, buffers, end: UnitEnd::of(failure) }, None),
        }
    }

    /// Gives the reader behind the chunk, and whether its input is at the end.
    ///
    /// It comes by value and goes back so, as in [`Line`](crate::engine::fill::Line).
    fn fill<R: Reader<Item = In>, const CAREFUL: bool>(
        &self,
        buffers: &mut Buffers<In, Out>,
        mut reader: R,
        anew: &mut impl FnMut() -> Result<R, Failure>,
        repeats: &mut ReadRepeats,
    ) -> Result<(R, bool), Failure> {
        let extent = Extent::of(self.common.info);
        let most = usize::try_from(extent.items).unwrap_or(usize::MAX);
        buffers.records.reserve(most.min(FIRST_CAPACITY));
        while buffers.records.len() < most
            && !(CAREFUL && !buffers.records.is_empty() && extent.is_over())
            && !self.common.is_over()
        {
            match reader.read() {
                Ok(Some(item)) => buffers.records.push(item),
                Ok(None) => return Ok((reader, true)),
                Err(error) => {
                    let steps_over = CAREFUL && reader.steps_over(&error);
                    let failure = located(Failure::new(error), &reader);
                    let failure = self.common.blame(failure, Phase::Read);
                    if steps_over {
                        buffers.unread.push((buffers.records.len(), failure));
                    } else if CAREFUL {
                        let position = checkpoint::encode(&reader.position())?;
                        drop(reader);
                        let open =
                            repeats.reopen(&position, failure, &mut *anew, &self.common.retrying, |_| {});
                        reader = open.map_err(|failure| self.common.blame(failure, Phase::Read))?;
                    } else {
                        return Err(failure);
                    }
                }
            }
        }
        Ok((reader, false))
    }
}
