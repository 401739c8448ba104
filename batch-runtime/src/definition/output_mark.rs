//! Identifies the output of one step in one job instance.

use std::fmt;

use crate::readers::hash;

/// The owner of a writer's output: a step of a job instance in a repository. It is the same in each execution
/// of the instance.
///
/// While a target is unfinished, its name is derived from the mark, so that the writer finds the target again after a
/// crash and leaves the targets of other instances alone.
///
/// ```
/// use batch_runtime::Mark;
///
/// assert_eq!(Mark::default().to_string(), "0000000000000000");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mark(u64);

impl Mark {
    pub(crate) fn new(parts: &[&str]) -> Self {
        let parts = parts.iter().flat_map(|part| [&part.len().to_le_bytes(), part.as_bytes()].concat());
        Self(hash(&parts.collect::<Vec<_>>()))
    }

    pub(crate) fn to_bytes(self) -> [u8; 8] {
        self.0.to_le_bytes()
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}
