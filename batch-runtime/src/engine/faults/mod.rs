//! Handles the faults of a step: retries, skips, isolates what cannot be written, and says where each fault is.

pub(super) mod all_skipped;
pub(super) mod isolate;
pub(super) mod keep;
pub(super) mod locate;
pub(super) mod panic;
pub(super) mod partial_commits;
pub(super) mod pause;
pub(super) mod reopen;
pub(super) mod retried;
pub(super) mod retry;
pub(super) mod skip_count;
pub(super) mod skip_rules;
pub(super) mod undeclared;
