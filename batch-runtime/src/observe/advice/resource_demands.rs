//! The measured demands of a step on its resources.

use crate::repository::{Profile, StepUsage};

/// The settings of a step on which the advice depends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) chunk: u64,
    pub(crate) threads: u64,
    /// Whether a processor has several calls in flight.
    pub(crate) is_concurrent: bool,
    /// Whether a processor has a state, so that it must get the items one by one.
    pub(crate) has_state: bool,
    /// Whether something other than the number of items decides where a chunk ends.
    pub(crate) has_own_ends: bool,
    /// The time of a commit without rows, if known.
    pub(crate) empty_commit: u64,
}

/// The demands of a step, in nanoseconds.
#[derive(Debug, Clone)]
pub(super) struct Demands {
    /// How long the step took.
    pub(super) elapsed: u64,
    /// The time of opening and finishing, which no setting changes.
    pub(super) fixed: u64,
    pub(super) read: u64,
    pub(super) reader: String,
    /// The name, the wall time and the CPU time of each processor.
    pub(super) processors: Vec<(String, u64, u64)>,
    pub(super) write: u64,
    pub(super) writer: String,
    pub(super) commit: u64,
    /// The CPU time of the whole step.
    pub(super) cpu: u64,
    pub(super) cores: u64,
    pub(super) commits: u64,
    /// The other threads, if there are any: their number, how long they lived, how long they waited, and how long
    /// they read while no other thread could read.
    pub(super) threads: u64,
    pub(super) threads_elapsed: u64,
    pub(super) threads_wait: u64,
    pub(super) locked: u64,
}

impl Demands {
    pub(super) fn of(profile: &Profile, usage: &StepUsage, commits: u64) -> Self {
        let of_role = |role: &'static str| profile.components.iter().filter(move |it| it.role == role);
        let slowest_writer = of_role("writer").max_by_key(|writer| writer.wall);
        Self {
            elapsed: usage.elapsed,
            fixed: usage.open + usage.finish,
            read: profile.read,
            reader: of_role("reader").map(|it| it.name.clone()).next().unwrap_or_default(),
            processors: of_role("processor").map(|it| (it.name.clone(), it.wall, it.cpu)).collect(),
            write: profile.write,
            writer: slowest_writer.map(|writer| writer.name.clone()).unwrap_or_default(),
            commit: profile.commit,
            cpu: usage.cpu,
            cores: u64::from(usage.cores.max(1)),
            commits: commits.max(1),
            threads: u64::from(usage.threads),
            threads_elapsed: usage.threads_elapsed,
            threads_wait: usage.threads_wait,
            locked: usage.locked,
        }
    }

    pub(super) fn process(&self) -> u64 {
        self.processors.iter().map(|(_, wall, _)| wall).sum()
    }

    /// The share of a time in the step's time, in percent.
    pub(super) fn share(&self, time: u64) -> u64 {
        time * 100 / self.elapsed.max(1)
    }
}
