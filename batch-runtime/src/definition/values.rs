//! The values of a context: the committed ones, and those put since.
//!
//! One thread commits: the thread of the step. A processor on another thread may put a value at any time, also while
//! the thread of the step writes a chunk or commits it. Therefore the puts are numbered, and each remembers its thread:
//! - A commit stores the values up to the [`Moment`] at which its record was composed. Later ones go with the next
//!   commit.
//! - A rollback takes back what the thread of the step has put since the chunk was begun. A processor on another thread
//!   does not run again for its item, so its values stay.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use serde_json::Value;

use super::sync::{Arc, AtomicBool, Mutex, MutexGuard, Ordering, ThreadId, current};

/// The values of a context.
#[derive(Debug, Default)]
pub(crate) struct Values {
    /// Shared by all branches of a split.
    committed: Arc<Mutex<BTreeMap<String, Value>>>,
    uncommitted: Mutex<Uncommitted>,
    /// Whether anything is uncommitted. Changed only under the lock; read without it, because usually nothing is.
    changed: AtomicBool,
}

/// A moment between two puts. It tells earlier puts from later ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Moment(u64);

/// The values at a moment: the uncommitted ones from [`Values::changes`], or all of them from [`Values::snapshot`].
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) values: BTreeMap<String, Value>,
    /// To be passed to [`Values::settle`] once the values are stored.
    pub(crate) until: Moment,
}

#[derive(Debug, Default, Clone)]
struct Uncommitted {
    /// The puts of each key in their order. No list is empty.
    puts: BTreeMap<String, Vec<Put>>,
    /// The number of the last put.
    last: u64,
    /// The last moment that was taken.
    taken: Moment,
}

#[derive(Debug, Clone)]
struct Put {
    number: u64,
    thread: ThreadId,
    value: Value,
}

impl Uncommitted {
    fn put(&mut self, key: &str, value: Value) {
        self.last += 1;
        let (thread, taken) = (current().id(), self.taken.0);
        let put = Put { number: self.last, thread, value };
        match self.puts.get_mut(key) {
            Some(puts) => {
                // A put is needed as long as a moment lies between it and the next put of its thread.
                puts.retain(|earlier| earlier.thread != thread || earlier.number <= taken);
                puts.push(put);
            }
            None => {
                self.puts.insert(key.to_owned(), vec![put]);
            }
        }
    }

    fn take_moment(&mut self) -> Moment {
        self.taken = Moment(self.last);
        self.taken
    }

    fn get(&self, key: &str) -> Option<&Value> {
        self.puts.get(key)?.last().map(|put| &put.value)
    }

    fn values(&self) -> BTreeMap<String, Value> {
        let last = |(key, puts): (&String, &Vec<Put>)| Some((key.clone(), puts.last()?.value.clone()));
        self.puts.iter().filter_map(last).collect()
    }

    /// Removes all puts up to that moment, and returns the values that they left.
    fn remove_until(&mut self, until: Moment) -> BTreeMap<String, Value> {
        let mut removed = BTreeMap::new();
        self.puts.retain(|key, puts| {
            let count = puts.partition_point(|put| put.number <= until.0);
            if let Some(last) = puts.drain(..count).next_back() {
                removed.insert(key.clone(), last.value);
            }
            !puts.is_empty()
        });
        removed
    }

    fn remove_after(&mut self, since: Moment, thread: ThreadId) {
        self.puts.retain(|_, puts| {
            puts.retain(|put| put.number <= since.0 || put.thread != thread);
            !puts.is_empty()
        });
    }
}

impl Values {
    pub(crate) fn new(committed: BTreeMap<String, Value>) -> Self {
        Self { committed: Arc::new(Mutex::new(committed)), ..Self::default() }
    }

    /// The values as a branch of a split sees them. A branch sees a value of another branch only after that branch has
    /// committed it, so that no branch commits a value that another may still roll back.
    pub(crate) fn branch(&self) -> Self {
        let uncommitted = lock(&self.uncommitted).clone();
        let changed = AtomicBool::new(!uncommitted.puts.is_empty());
        Self { committed: Arc::clone(&self.committed), uncommitted: Mutex::new(uncommitted), changed }
    }

    /// Takes over the uncommitted values of a branch.
    pub(crate) fn join(&self, branch: &Self) {
        for (key, value) in branch.changes().values {
            self.put(&key, value);
        }
        branch.revert();
    }

    pub(crate) fn get(&self, key: &str) -> Option<Value> {
        let uncommitted = if self.changed() { lock(&self.uncommitted).get(key).cloned() } else { None };
        uncommitted.or_else(|| lock(&self.committed).get(key).cloned())
    }

    pub(crate) fn put(&self, key: &str, value: Value) {
        let mut uncommitted = lock(&self.uncommitted);
        uncommitted.put(key, value);
        self.changed.store(true, Ordering::Release);
    }

    /// All values, and the moment of the last put that they include.
    pub(crate) fn snapshot(&self) -> Changes {
        let mut values = lock(&self.committed).clone();
        let changes = self.changes();
        values.extend(changes.values);
        Changes { values, until: changes.until }
    }

    /// The uncommitted values.
    pub(crate) fn changes(&self) -> Changes {
        if !self.changed() {
            return Changes::default();
        }
        let mut uncommitted = lock(&self.uncommitted);
        Changes { values: uncommitted.values(), until: uncommitted.take_moment() }
    }

    /// The present moment.
    pub(crate) fn now(&self) -> Moment {
        // While nothing is uncommitted, every put that a rollback can find is a later one.
        if self.changed() { lock(&self.uncommitted).take_moment() } else { Moment::default() }
    }

    /// Returns whether a value is uncommitted.
    pub(crate) fn changed(&self) -> bool {
        self.changed.load(Ordering::Acquire)
    }

    /// Marks the values put up to that moment as committed.
    pub(crate) fn settle(&self, until: Moment) {
        // Usually nothing was put, and then a chunk must not pay for a lock.
        if until == Moment::default() {
            return;
        }
        let mut uncommitted = lock(&self.uncommitted);
        let mut settled = uncommitted.remove_until(until);
        // Both locks are held, so that no reader misses a value while it moves from one map to the other.
        lock(&self.committed).append(&mut settled);
        self.changed.store(!uncommitted.puts.is_empty(), Ordering::Release);
    }

    /// Adds values that another process has committed.
    pub(crate) fn take_over(&self, mut committed: BTreeMap<String, Value>) {
        lock(&self.committed).append(&mut committed);
    }

    /// Takes back what the current thread has put since that moment, and has not committed.
    pub(crate) fn go_back(&self, to: Moment) {
        if self.changed() {
            let mut uncommitted = lock(&self.uncommitted);
            uncommitted.remove_after(to, current().id());
            self.changed.store(!uncommitted.puts.is_empty(), Ordering::Release);
        }
    }

    /// Drops all uncommitted values: after a failure of the step, or when [`join`](Self::join) has taken them over.
    /// No thread may put values meanwhile.
    pub(crate) fn revert(&self) {
        if self.changed() {
            let mut uncommitted = lock(&self.uncommitted);
            uncommitted.puts.clear();
            self.changed.store(false, Ordering::Release);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
