//! A step with partitions that is about to run.

use std::fmt;

use crate::engine::flow::request::Request;
use crate::engine::step::StepRun;

/// A step with partitions that is about to run. Generated code receives it and passes it on to
/// [`run_partitions`](super::run_partitions).
pub struct PartitionedRun<'r> {
    pub(crate) request: &'r Request<'r>,
    pub(crate) run: &'r StepRun<'r>,
}

impl fmt::Debug for PartitionedRun<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartitionedRun").field("run", self.run).finish_non_exhaustive()
    }
}
