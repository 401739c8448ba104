//! Puts chunks that are done in any order back into order. Keeps track of the chunks that are committed, and of
//! the commits that the reader was notified of.

use std::collections::{BTreeSet, VecDeque};

/// Values that arrive in any order, and are removed in the order of their numbers or of their arrival.
pub(super) struct InOrder<T> {
    early: Vec<(u64, T)>,
    next: u64,
}

impl<T> InOrder<T> {
    pub(super) fn new() -> Self {
        Self { early: Vec::new(), next: 0 }
    }

    pub(super) fn insert(&mut self, number: u64, item: T) {
        self.early.push((number, item));
    }

    /// Removes the value that arrived first among those that match.
    pub(super) fn pop_any(&mut self, matches: impl Fn(&T) -> bool) -> Option<T> {
        let at = self.early.iter().position(|(_, item)| matches(item))?;
        Some(self.early.remove(at).1)
    }

    /// The value that [`pop_any`](Self::pop_any) would remove.
    pub(super) fn peek_any(&self, matches: impl Fn(&T) -> bool) -> Option<&T> {
        self.early.iter().map(|(_, item)| item).find(|item| matches(item))
    }

    /// Removes the value with the next number, if it has arrived.
    pub(super) fn pop(&mut self) -> Option<T> {
        let at = self.early.iter().position(|(number, _)| *number == self.next)?;
        self.next += 1;
        Some(self.early.swap_remove(at).1)
    }

    /// The value that [`pop`](Self::pop) would remove.
    pub(super) fn peek(&self) -> Option<&T> {
        self.early.iter().find(|(number, _)| *number == self.next).map(|(_, item)| item)
    }
}

/// The chunks that are committed, and the buffers that are withheld while one chunk lags too far.
pub(super) struct Committed<B> {
    /// The first chunk that is not committed.
    first: u64,
    /// The chunks committed after it.
    out_of_order: BTreeSet<u64>,
    /// How many chunks a committed chunk may be ahead of `first` before buffers are withheld.
    max_ahead: u64,
    /// Buffers not released yet, with their lanes, because the chunk committed last is too far ahead of
    /// `first`.
    withheld: Vec<(usize, B)>,
}

impl<B> Committed<B> {
    pub(super) fn new(max_ahead: u64) -> Self {
        Self { first: 0, out_of_order: BTreeSet::new(), max_ahead, withheld: Vec::new() }
    }

    /// Adds a committed chunk. Returns the number of the first chunk that is not committed.
    pub(super) fn insert(&mut self, number: u64) -> u64 {
        self.out_of_order.insert(number);
        while self.out_of_order.remove(&self.first) {
            self.first += 1;
        }
        self.first
    }

    /// Takes the buffers of a committed chunk. Returns all withheld buffers, each with the lane to return them
    /// to, or none while the chunk is too far ahead.
    pub(super) fn release(
        &mut self,
        number: u64,
        lane: usize,
        buffers: B,
    ) -> impl Iterator<Item = (usize, B)> {
        self.withheld.push((lane, buffers));
        let is_far = number.saturating_sub(self.first) > self.max_ahead;
        self.withheld.drain(..if is_far { 0 } else { self.withheld.len() })
    }
}

/// The reader's positions after chunks. After the commit of a chunk, the reader is notified of the position after that
/// chunk: in order, and once for each chunk.
pub(super) struct PendingNotices<P> {
    queue: VecDeque<P>,
    /// The number of commits that the reader was notified of; `u64::MAX` once a notification failed.
    notified: u64,
}

impl<P> PendingNotices<P> {
    pub(super) fn new() -> Self {
        Self { queue: VecDeque::new(), notified: 0 }
    }

    /// Adds the position after the next chunk.
    pub(super) fn push(&mut self, position: P) {
        self.queue.push_back(position);
    }

    /// Notifies the reader of the first `commits` commits, except those that it was already notified of. After a
    /// failure there are no more notifications: other threads may call this before the step's thread knows of the
    /// failure.
    pub(super) fn notify<E>(
        &mut self,
        commits: u64,
        mut notify: impl FnMut(P) -> Result<(), E>,
    ) -> Result<(), E> {
        while self.notified < commits {
            let Some(position) = self.queue.pop_front() else { break };
            notify(position).inspect_err(|_| self.notified = u64::MAX)?;
            self.notified += 1;
        }
        Ok(())
    }
}
