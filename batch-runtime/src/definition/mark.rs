//! Tells the output of one step in one job instance from every other.

use std::fmt;

use crate::readers::hash;

/// Whose output a writer writes: a step of a job instance in a repository. The same in each execution of the instance.
///
/// A target that is unfinished for a while bears it in its name: after a crash it is found again, and that of another
/// instance is left alone.
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
