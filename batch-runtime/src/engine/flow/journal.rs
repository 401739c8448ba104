//! Holds the outcomes that an instance has passed.
//!
//! Entries are only ever appended to a journal. If a place has several entries, the last one counts. Two kinds of
//! outcome are not replayed:
//!
//! - A step that runs again routes again. If it leads to another arm, the entries of the old arm are taken back in the
//!   transaction that records the new arm.
//! - The outcome that led to a `fail!` is decided again. No entry records that, because a replay of the journal reaches
//!   the `fail!` and so finds the outcome.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use crate::engine::flow::walk::Region;
use crate::engine::step::Route;
use crate::repository::JournalEntry;

/// The outcomes that the journal records for places other than arms.
pub(crate) const COMPLETED: &str = "COMPLETED";
pub(crate) const FAILED: &str = "FAILED";
pub(crate) const STOPPED: &str = "STOPPED";
/// The outcome of a place that no longer counts as passed, because its arm was left.
const TAKEN_BACK: &str = "TAKEN BACK";
/// The outcome of a place that a restart with `--from` runs again from the beginning.
pub(super) use crate::repository::RUN_AGAIN;
/// The outcome of an incomplete step that a restart with `--from` and `--force` passes over.
pub(super) const PASSED_OVER: &str = "PASSED OVER";

/// The places that an instance has passed, with their outcomes.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    entries: BTreeMap<String, JournalEntry>,
    /// When each place was first passed.
    order: BTreeMap<String, usize>,
    /// How often the activity at a place completed (also in arms that were left) or was abandoned to run again.
    completions: BTreeMap<String, u32>,
    /// True if a `match` or `while` has had different outcomes.
    pub(super) rerouted: bool,
    /// The names of the `match`es and `while`s that are decided again.
    pub(super) again: BTreeSet<String>,
    /// The places that this execution took back.
    taken_back: Mutex<BTreeSet<String>>,
}

impl Journal {
    pub(crate) fn new(entries: impl IntoIterator<Item = JournalEntry>) -> Self {
        let mut journal = Self::default();
        for (at, entry) in entries.into_iter().enumerate() {
            journal.add(at, entry);
        }
        journal
    }

    fn add(&mut self, at: usize, entry: JournalEntry) {
        if entry.outcome == RUN_AGAIN
            && self.entries.get(&entry.path).is_none_or(|before| before.outcome != COMPLETED)
        {
            // Count the place as completed, so that a nested job runs again as a new instance.
            *self.completions.entry(entry.path.clone()).or_insert(0) += 1;
        }
        if entry.outcome == TAKEN_BACK || entry.outcome == RUN_AGAIN {
            self.rerouted = true;
            self.order.remove(&entry.path);
            self.entries.remove(&entry.path);
            return;
        }
        if entry.exit.is_some() && entry.outcome == COMPLETED {
            *self.completions.entry(entry.path.clone()).or_insert(0) += 1;
        }
        self.order.entry(entry.path.clone()).or_insert(at);
        if let Some(before) = self.entries.get(&entry.path) {
            self.rerouted |= entry.exit.is_none() && before.outcome != entry.outcome;
        }
        self.entries.insert(entry.path.clone(), entry);
    }

    pub(crate) fn at(&self, path: &str) -> Option<&JournalEntry> {
        let taken_back = self.taken_back.lock().unwrap_or_else(PoisonError::into_inner);
        self.entries.get(path).filter(|_| !taken_back.contains(path))
    }

    /// Returns whether the outcome of a `match` or `while` is decided again.
    pub(crate) fn is_open(&self, choice: &str) -> bool {
        self.again.contains(choice)
    }

    pub(crate) fn completions(&self, path: &str) -> u32 {
        self.completions.get(path).copied().unwrap_or(0)
    }

    /// The entries that count, in the order in which their places were first passed.
    pub(crate) fn entries(&self) -> Vec<&JournalEntry> {
        let mut order: Vec<_> = self.order.iter().collect();
        order.sort_unstable_by_key(|(_, at)| **at);
        order.into_iter().filter_map(|(path, _)| self.entries.get(path)).collect()
    }

    /// Leaves a part of the body, so that none of its places counts as passed. Returns the entries that record this.
    pub(crate) fn leave(&self, part: &Region) -> Vec<JournalEntry> {
        let paths: Vec<_> = self.entries.keys().filter(|path| part.contains(path)).cloned().collect();
        let entries = paths.iter().map(|path| JournalEntry::at(path, TAKEN_BACK)).collect();
        self.taken_back.lock().unwrap_or_else(PoisonError::into_inner).extend(paths);
        entries
    }

    /// The arm that was taken in a `match`.
    pub(crate) fn arm(&self, choice: &str, route: Route) -> Option<Result<usize, String>> {
        let label = &self.at(choice)?.outcome;
        let found = route.arm_named(label);
        Some(found.ok_or_else(|| format!("`{choice}` took the arm `{label}`, which is no longer there")))
    }
}
