//! Receives: chunks in the order in which they are done. Gives: each when it is its turn, how far all of them are committed, and word
//! of each commit to whom it has not reached.

use std::collections::{BTreeSet, VecDeque};

/// What comes in any order, and is taken by its number.
pub(super) struct InOrder<T> {
    early: Vec<(u64, T)>,
    next: u64,
}

impl<T> InOrder<T> {
    pub(super) fn new() -> Self {
        Self { early: Vec::new(), next: 0 }
    }

    pub(super) fn put(&mut self, number: u64, item: T) {
        self.early.push((number, item));
    }

    /// The one that came first of those that are there.
    pub(super) fn take_any(&mut self, may: impl Fn(&T) -> bool) -> Option<T> {
        let at = self.early.iter().position(|(_, item)| may(item))?;
        Some(self.early.remove(at).1)
    }

    /// The one whose turn it is, if it is there.
    pub(super) fn take(&mut self) -> Option<T> {
        let at = self.early.iter().position(|(number, _)| *number == self.next)?;
        self.next += 1;
        Some(self.early.swap_remove(at).1)
    }
}

/// The chunks that are committed, and the buffers that are withheld for it.
pub(super) struct Committed<B> {
    /// All before it are.
    first: u64,
    behind: BTreeSet<u64>,
    /// How many chunks may be done behind one that is not.
    far: u64,
    /// By their lanes. Not given back yet, as too much is done behind a chunk that is not.
    withheld: Vec<(usize, B)>,
}

impl<B> Committed<B> {
    pub(super) fn none(far: u64) -> Self {
        Self { first: 0, behind: BTreeSet::new(), far, withheld: Vec::new() }
    }

    /// Says of how many of the first chunks all are committed now.
    pub(super) fn put(&mut self, number: u64) -> u64 {
        self.behind.insert(number);
        while self.behind.remove(&self.first) {
            self.first += 1;
        }
        self.first
    }

    /// What goes back to which lane, now that this chunk does without its buffers.
    pub(super) fn give_back(
        &mut self,
        number: u64,
        channel: usize,
        buffers: B,
    ) -> impl Iterator<Item = (usize, B)> {
        self.withheld.push((channel, buffers));
        let is_far = number.saturating_sub(self.first) > self.far;
        self.withheld.drain(..if is_far { 0 } else { self.withheld.len() })
    }
}

/// What is to be told of chunks once they are committed, in their order and once each.
pub(super) struct PendingNotices<P> {
    behind: VecDeque<P>,
    /// Of how many commits it was told; of all that there could be once that failed.
    told: u64,
}

impl<P> PendingNotices<P> {
    pub(super) fn new() -> Self {
        Self { behind: VecDeque::new(), told: 0 }
    }

    /// Of the next chunk.
    pub(super) fn put(&mut self, position: P) {
        self.behind.push_back(position);
    }

    /// Tells of those that are not told of yet, of so many commits in all. Behind one that fails there are no more, as others may come here
    /// before the step knows that it has failed.
    pub(super) fn tell<E>(
        &mut self,
        commits: u64,
        mut tell: impl FnMut(P) -> Result<(), E>,
    ) -> Result<(), E> {
        while self.told < commits {
            let Some(position) = self.behind.pop_front() else { break };
            tell(position).inspect_err(|_| self.told = u64::MAX)?;
            self.told += 1;
        }
        Ok(())
    }
}
