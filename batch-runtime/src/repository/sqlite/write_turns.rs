//! Lets the threads of this process take turns to write one file, so that none waits long.
//!
//! `SQLite` allows one write at a time, and makes all other writers sleep and try again. Without turns, if two branches
//! commit chunk after chunk, one finds the file free whenever it asks, and the other hardly ever. Other processes
//! are not handled here: a write that has its turn still waits for them.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, Weak};
use std::time::{Duration, Instant};

use super::connections::guard;

/// The current writer of a file, and the waiting ones.
#[derive(Debug, Default)]
pub(super) struct Queue {
    line: Mutex<Line>,
    moved: Condvar,
}

#[derive(Debug, Default)]
struct Line {
    taken: bool,
    /// The waiting threads: number and start of the wait.
    waiting: VecDeque<(u64, Instant)>,
    /// The number for the next thread.
    next: u64,
    /// The number of turns taken.
    served: u64,
}

/// For how long newcomers may overtake a waiting thread: a handover costs more than a small chunk.
const OVERTAKE_TIME: Duration = Duration::from_millis(2);

impl Line {
    fn is_free(&self) -> bool {
        !self.taken && self.waiting.front().is_none_or(|(_, since)| since.elapsed() < OVERTAKE_TIME)
    }
}

impl Queue {
    /// Waits for a turn to write. If the queue has not moved for `wait`, the thread goes ahead without a
    /// turn: the thread that blocks the queue holds the file, and `SQLite` reports that.
    pub(super) fn turn(&self, wait: Duration) -> Turn<'_> {
        let mut line = guard(&self.line);
        if !line.is_free() {
            let number = line.next;
            line.next += 1;
            line.waiting.push_back((number, Instant::now()));
            loop {
                let served = line.served;
                let is_blocked = |line: &mut Line| {
                    line.taken || line.waiting.front().is_some_and(|(first, _)| *first != number)
                };
                let waited = self.moved.wait_timeout_while(line, wait, is_blocked);
                let timeout;
                (line, timeout) = waited.unwrap_or_else(std::sync::PoisonError::into_inner);
                if !timeout.timed_out() {
                    line.waiting.pop_front();
                    break;
                }
                if line.served == served {
                    line.waiting.retain(|(waiting, _)| *waiting != number);
                    // The next thread may have waited for this one.
                    self.moved.notify_all();
                    return Turn(None);
                }
            }
        }
        line.taken = true;
        Turn(Some(self))
    }
}

/// The right to write, released on drop.
#[derive(Debug)]
pub(super) struct Turn<'q>(Option<&'q Queue>);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let Some(queue) = self.0 else { return };
        let mut line = guard(&queue.line);
        line.taken = false;
        line.served += 1;
        if !line.waiting.is_empty() {
            queue.moved.notify_all();
        }
    }
}

/// The queue of a file, under any of its names, for all repositories and steps of this process.
pub(super) fn of(file: &Path) -> Arc<Queue> {
    static QUEUES: Mutex<BTreeMap<PathBuf, Weak<Queue>>> = Mutex::new(BTreeMap::new());
    let file = std::fs::canonicalize(file).unwrap_or_else(|_| file.to_path_buf());
    let mut queues = guard(&QUEUES);
    queues.retain(|_, queue| queue.strong_count() > 0);
    if let Some(queue) = queues.get(&file).and_then(Weak::upgrade) {
        return queue;
    }
    let queue = Arc::new(Queue::default());
    queues.insert(file, Arc::downgrade(&queue));
    queue
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    const PATIENCE: Duration = Duration::from_mins(1);

    /// Waits until that many threads are in the queue.
    fn wait_for_waiters(queue: &Queue, many: usize) {
        while guard(&queue.line).waiting.len() != many {
            thread::yield_now();
        }
    }

    #[test]
    fn turns_are_taken_in_the_order_of_arrival() {
        let (queue, order) = (Queue::default(), Mutex::new(Vec::new()));
        thread::scope(|scope| {
            let first = queue.turn(PATIENCE);
            for number in 0..5 {
                let (queue, order) = (&queue, &order);
                scope.spawn(move || {
                    let _turn = queue.turn(PATIENCE);
                    guard(order).push(number);
                });
                wait_for_waiters(queue, number + 1);
            }
            drop(first);
        });
        assert_eq!(*guard(&order), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_thread_that_comes_again_queues_after_the_waiting_ones() {
        let (queue, order) = (Queue::default(), Mutex::new(Vec::new()));
        thread::scope(|scope| {
            let first = queue.turn(PATIENCE);
            scope.spawn(|| {
                let _turn = queue.turn(PATIENCE);
                guard(&order).push("who waited");
            });
            wait_for_waiters(&queue, 1);
            thread::sleep(OVERTAKE_TIME);
            drop(first);
            let _again = queue.turn(PATIENCE);
            guard(&order).push("who came again");
        });
        assert_eq!(*guard(&order), ["who waited", "who came again"]);
    }

    #[test]
    fn only_one_thread_writes_at_a_time() {
        let (queue, inside) = (Queue::default(), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1_000 {
                        let _turn = queue.turn(PATIENCE);
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        inside.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
    }

    #[test]
    fn a_thread_that_waits_for_itself_proceeds_without_a_turn_and_leaves_the_queue_in_order() {
        let queue = Queue::default();
        let outer = queue.turn(PATIENCE);
        let inner = queue.turn(Duration::from_millis(1));
        assert!(inner.0.is_none());
        drop(inner);
        drop(outer);
        assert!(queue.turn(PATIENCE).0.is_some());
    }
}
