//! The fail points that a test names most often.

use crate::repository::{Commit, FailPoint, Records, Side};

/// A commit, by its number or its chunk, and the side of it on which a run is stopped dead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailAt {
    place: Place,
    side: Side,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Number(u64),
    Chunk(String, u64),
}

impl FailAt {
    /// Stops the run on one side of its `number`th commit, counted from 1.
    #[must_use]
    pub fn commit(number: u64, side: Side) -> Self {
        Self { place: Place::Number(number), side }
    }

    /// Stops the run before it commits chunk `number` of a step execution, counted from 1: the rows are written, then
    /// rolled back. The call of a tasklet is chunk 1.
    #[must_use]
    pub fn before_chunk(step: impl Into<String>, number: u64) -> Self {
        Self { place: Place::Chunk(step.into(), number), side: Side::Before }
    }

    /// Stops the run after it commits chunk `number` of a step execution.
    #[must_use]
    pub fn after_chunk(step: impl Into<String>, number: u64) -> Self {
        Self { side: Side::After, ..Self::before_chunk(step, number) }
    }
}

impl FailPoint for FailAt {
    fn stops(&self, commit: &Commit, side: Side) -> bool {
        let is_there = match &self.place {
            Place::Number(number) => commit.number == *number,
            Place::Chunk(step, number) => {
                commit.records == Records::Chunk(*number) && commit.step.as_ref() == Some(step)
            }
        };
        is_there && side == self.side
    }
}
