//! The words and documents in which the command line and the web page show jobs and executions to people and programs.
//!
//! `cli` and `serve` both use this module, so that they say the same, and neither uses the other for it.

pub(crate) mod executions;
pub(crate) mod json;
pub(crate) mod parameter;
pub(crate) mod refusal;
#[cfg(feature = "schedule")]
pub(crate) mod schedule;
pub(crate) mod skipped;
pub(crate) mod times;
