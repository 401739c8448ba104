//! Receives: the threads of this process that want to write one file. Gives: them their turns, so that none waits long.
//!
//! `SQLite` lets one write at a time, and makes the others sleep and try again: of two branches that commit chunk after
//! chunk, one finds the file free whenever it asks, and the other nearly never. Other processes are none of our business
//! here: they are waited for as `SQLite` does it.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use super::connections::guard;

/// Who writes a file, and who waits for it.
#[derive(Debug, Default)]
pub(super) struct Queue {
    line: Mutex<Line>,
    moved: Condvar,
}

#[derive(Debug, Default)]
struct Line {
    taken: bool,
    /// By number, and since when.
    waiting: VecDeque<(u64, Instant)>,
    /// The number of the next to come.
    next: u64,
    /// How many had their turn.
    served: u64,
}

/// How long who comes may go before who waits: a change of hands costs more than a small chunk.
const BEFORE: Duration = Duration::from_millis(2);

impl Line {
    fn is_free(&self) -> bool {
        !self.taken && self.waiting.front().is_none_or(|(_, since)| since.elapsed() < BEFORE)
    }
}

impl Queue {
    /// Waits for the turn to write. Where the line has not moved for `wait`, it goes without one: whoever holds up the line
    /// holds the file, and `SQLite` says so.
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
                    // It may have stood in the way of the next.
                    self.moved.notify_all();
                    return Turn(None);
                }
            }
        }
        line.taken = true;
        Turn(Some(self))
    }
}

/// The right to write, given back in the end.
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

/// The queues of all files that this process writes through one repository.
#[derive(Debug, Default)]
pub(super) struct Queues(Mutex<BTreeMap<PathBuf, Arc<Queue>>>);

impl Queues {
    /// That of a file, by whatever name.
    pub(super) fn of(&self, file: &Path) -> Arc<Queue> {
        let file = std::fs::canonicalize(file).unwrap_or_else(|_| file.to_path_buf());
        Arc::clone(guard(&self.0).entry(file).or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    const PATIENCE: Duration = Duration::from_mins(1);

    /// Waits until that many stand in line.
    fn stand(queue: &Queue, many: usize) {
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
                stand(queue, number + 1);
            }
            drop(first);
        });
        assert_eq!(*guard(&order), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn who_comes_again_goes_behind_who_has_waited() {
        let (queue, order) = (Queue::default(), Mutex::new(Vec::new()));
        thread::scope(|scope| {
            let first = queue.turn(PATIENCE);
            scope.spawn(|| {
                let _turn = queue.turn(PATIENCE);
                guard(&order).push("who waited");
            });
            stand(&queue, 1);
            thread::sleep(BEFORE);
            drop(first);
            let _again = queue.turn(PATIENCE);
            guard(&order).push("who came again");
        });
        assert_eq!(*guard(&order), ["who waited", "who came again"]);
    }

    #[test]
    fn nobody_writes_beside_another() {
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
    fn who_waits_for_itself_goes_without_a_turn_and_leaves_the_line_in_order() {
        let queue = Queue::default();
        let outer = queue.turn(PATIENCE);
        let inner = queue.turn(Duration::from_millis(1));
        assert!(inner.0.is_none());
        drop(inner);
        drop(outer);
        assert!(queue.turn(PATIENCE).0.is_some());
    }
}
