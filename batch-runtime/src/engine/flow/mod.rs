//! Runs a job from its launch to its report, and skips over whatever its journal already holds.

pub(super) mod changed_job;
pub(super) mod execution;
pub(super) mod job;
pub(crate) mod journal;
pub(super) mod journal_walk;
pub(super) mod listeners;
pub(super) mod nested;
pub(super) mod renames;
pub(super) mod replay;
pub(super) mod request;
#[cfg(test)]
mod rerouting;
pub(super) mod restart_from;
pub(super) mod runner;
pub(super) mod seek;
pub(super) mod split;
pub(super) mod step_form;
pub(super) mod steps;
pub(crate) mod walk;
