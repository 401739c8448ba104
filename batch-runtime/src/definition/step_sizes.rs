//! The sizes of a step that job parameters may set, resolved when the step starts.

use super::step_options::{SizedBy, StepOptions};
use super::{Failure, Scope};

/// The sizes of one step execution.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    /// Items read for one commit.
    pub(crate) chunk: usize,
    /// The number of processing threads.
    pub(crate) threads: usize,
    /// The number of partitions that the reader is asked for; `None` means the number of cores.
    pub(crate) partitions: Option<usize>,
    /// The number of partitions that run at once; `None` means the number of cores.
    pub(crate) at_once: Option<usize>,
}

impl Sizes {
    /// Resolves the sizes of a step that starts in that scope.
    pub(crate) fn of(options: &StepOptions, scope: &Scope<'_>) -> Result<Self, Failure> {
        let given = |name: Option<&'static str>| name.map(|name| size(scope, name)).transpose();
        let SizedBy { chunk, threads, partitions } = options.sized_by;
        let (chunk, threads, partitions) = (given(chunk)?, given(threads)?, given(partitions)?);
        let fixed = options.partitioning;
        Ok(Self {
            chunk: chunk.unwrap_or(options.chunk),
            threads: threads.unwrap_or(options.threads),
            partitions: partitions.or(fixed.and_then(|fixed| fixed.partitions).map(|fixed| fixed as usize)),
            at_once: threads.or(fixed.and_then(|fixed| fixed.threads).map(|fixed| fixed as usize)),
        })
    }
}

fn size(scope: &Scope<'_>, name: &str) -> Result<usize, Failure> {
    match scope.parameter(name)? {
        0 => Err(Failure::new(format!("parameter `{name}`: a number of at least 1 is expected, not `0`"))),
        size => Ok(size),
    }
}
