//! Runs jobs.

/// One step execution about to run.
#[derive(Debug)]
pub struct StepRun<'r> {
    pub(crate) scope: crate::definition::Scope<'r>,
}

/// How a step execution ended.
#[derive(Debug)]
pub struct StepEnd {}
