//! The state of the server.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use super::guard::Guard;
use crate::operator::{ExecutionDetails, JobOperator};

/// Everything that the page needs. All requests share it.
pub(crate) struct Page {
    /// Knows the jobs of the program and the repository.
    pub(crate) operator: JobOperator,
    /// Makes the command to which the arguments of a run are added.
    pub(crate) command: Box<dyn Fn() -> Command + Send + Sync>,
    /// The folder for the logs of the jobs that the page starts.
    pub(crate) logs: Option<PathBuf>,
    /// Decides who may see the page.
    pub(crate) guard: Arc<Guard>,
    /// Runs the command of `BATCH_ON_END`, if it is set, for an execution that the page has recovered.
    pub(crate) on_end: Box<dyn Fn(ExecutionDetails) + Send + Sync>,
    /// Prints a line about each effect of a button, for the person who started the server.
    pub(crate) say: Box<dyn Fn(&str) + Send + Sync>,
}
