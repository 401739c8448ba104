//! The interface between the chunk loop and the code that fills its chunks, on one thread or several.
//!
//! The commit works on chunks only. A [`Feed`] describes each chunk in the same way: its items, the reader's
//! position after it, and the records that could not be read or processed.

use std::collections::{BTreeMap, BTreeSet};

use crate::definition::{Failure, Progress, States, StepListener};
use crate::engine::chunk::batch::{Filled, Outputs};
use crate::engine::chunk::checkpoint;
use crate::engine::chunk::shared::Shared;
use crate::engine::profile::ChunkTimes;
use crate::engine::step::Halt;

/// Reads and processes the input, chunk by chunk.
pub(crate) trait Feed<In, Out> {
    /// Fills the next chunk. Skips are recorded in the skip rules of `shared`.
    ///
    /// Books the time of the activities that the feed can tell apart. The caller books the rest as
    /// [`Fill`](crate::engine::profile::Activity::Fill).
    fn fill<L: StepListener<In, Out>>(
        &mut self,
        shared: &mut Shared<'_, '_, In, L>,
        times: &mut ChunkTimes,
    ) -> Result<Filled, Halt>;

    /// Returns the items of the chunk.
    fn outputs(&mut self) -> &mut Outputs<Out>;

    /// Returns the encoded position to store with the chunk: the position of the reader after the chunk, and the
    /// committed ranges after that position.
    fn position(&self) -> Result<String, Failure>;

    /// Returns the encoded place where the chunk begins. `last` is the position stored with the last chunk:
    /// if chunks are committed in the order of the input, the next begins there.
    fn base<'a>(&'a self, last: &'a str) -> &'a str {
        last
    }

    /// Returns the encoded position to store if only the first `records` records of the chunk are committed.
    fn position_after(&self, records: u32, last: &str) -> Result<String, Failure> {
        checkpoint::ahead_of(last, records)
    }

    /// Returns the states of the processors after the chunk.
    fn states(&self) -> Result<States, Failure>;

    /// Called after the chunk is committed.
    fn committed(&mut self) -> Result<(), Failure>;

    /// True if one chunk can be put aside while the next one is taken.
    const CAN_PUT_ASIDE: bool = false;

    /// Returns whether the next chunk can be taken without waiting, has items, and has no faults.
    fn is_next_clean(&mut self) -> bool {
        false
    }

    /// Puts the chunk aside, whose commit is in flight. The next [`fill`](Self::fill) takes another one.
    fn put_aside(&mut self) {}

    /// Called after the chunk that was put aside is committed.
    fn aside_committed(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    /// Exchanges the chunk with the one that was put aside.
    fn swap_aside(&mut self) {}

    /// Takes up the chunk again that was put aside.
    fn take_up_aside(&mut self) {}

    /// Called after the last chunk. Makes sure that the reader is notified of every commit.
    fn close(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    /// Returns how much of the input the reader has read.
    fn progress(&self) -> Option<Progress>;

    /// Returns the place of the chunk's last record, in the reader's words.
    fn location(&self) -> Option<String>;

    /// Returns the places of records of the chunk that begins at `base`, by the numbers of the records. Reads the
    /// chunk once more to find them, so it is used only after a fault. Records that are not found are left out.
    fn places(&mut self, records: &BTreeSet<u32>, base: &str) -> BTreeMap<u32, String>;
}
