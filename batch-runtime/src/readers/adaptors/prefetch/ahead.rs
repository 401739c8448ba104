//! Receives: a reader. Gives: the thread that reads it ahead, and the hand-over of batches, in which every wait has one
//! who wakes it.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crate::definition::{Progress, Reader};

/// The most items handed over at once: enough for the lock to cost nothing an item.
const BATCH: usize = 256;

/// What a call of `read` gave, and the position behind it.
pub(super) struct Outcome<R: Reader> {
    pub(super) read: Result<Option<R::Item>, Fault<R::Error>>,
    pub(super) position: R::Position,
}

pub(super) struct Fault<E> {
    pub(super) error: E,
    pub(super) steps_over: bool,
    pub(super) location: Option<String>,
}

/// What is handed over at once; never empty.
pub(super) struct Batch<R: Reader> {
    pub(super) outcomes: Vec<Outcome<R>>,
    /// What the reader said behind the last one; `None` where it is still reading the next.
    pub(super) end: Option<End>,
}

/// Where the reader stands.
pub(super) struct End {
    pub(super) progress: Option<Progress>,
    pub(super) location: Option<String>,
}

/// The side that takes. Dropping it ends the thread.
pub(super) struct Ahead<R: Reader> {
    shared: Arc<Shared<R>>,
    thread: Option<JoinHandle<()>>,
}

struct Shared<R: Reader> {
    state: Mutex<State<R>>,
    /// The batch that is being filled: who waits takes it as it is, as the next item may be long in coming. Locked for a moment,
    /// and never before `state` by who locks both.
    partial: Mutex<Vec<Outcome<R>>>,
    /// For the thread: there is room, something to do, or an end to it.
    wanted: Condvar,
    /// For the side that takes: there is a batch, an answer, or nobody who would give one.
    given: Condvar,
    /// The thread should look at the state before it fills its batch.
    attention: AtomicBool,
}

struct State<R: Reader> {
    batches: VecDeque<Batch<R>>,
    /// Items that are read or being read, and not handed out.
    ahead: usize,
    /// The taking side waits for a batch.
    hungry: bool,
    /// The thread reads nothing more, or not before it is asked again.
    resting: bool,
    closed: bool,
    /// Committed, and not yet told to the reader.
    commit: Option<R::Position>,
    telling: bool,
    commit_error: Option<R::Error>,
    /// The message of the reader's panic: the thread is gone.
    panic: Option<String>,
}

/// Why the thread does not read on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rest {
    No,
    /// Behind an error that it does not step over: it reads again when it is asked to.
    Failed,
    Ended,
}

impl<R: Reader> Shared<R> {
    fn lock(&self) -> MutexGuard<'_, State<R>> {
        // User code never runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn partial(&self) -> MutexGuard<'_, Vec<Outcome<R>>> {
        self.partial.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'s>(&self, on: &Condvar, state: MutexGuard<'s, State<R>>) -> MutexGuard<'s, State<R>> {
        on.wait(state).unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R> Ahead<R>
where
    R: Reader<Item: Send, Position: Send, Error: Send> + Send + 'static,
{
    /// Starts the thread, which keeps up to `most` items ahead.
    pub(super) fn start(reader: R, most: usize) -> Self {
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                batches: VecDeque::new(),
                ahead: 0,
                hungry: false,
                resting: false,
                closed: false,
                commit: None,
                telling: false,
                commit_error: None,
                panic: None,
            }),
            partial: Mutex::default(),
            wanted: Condvar::new(),
            given: Condvar::new(),
            attention: AtomicBool::new(false),
        });
        let its = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            let read = catch_unwind(AssertUnwindSafe(|| read_ahead(&its, reader, most)));
            if let Err(payload) = read {
                its.lock().panic = Some(message(&*payload));
            }
            its.given.notify_all();
        });
        Self { shared, thread: Some(thread) }
    }
}

impl<R: Reader> Ahead<R> {
    /// Waits for the next batch.
    pub(super) fn next(&self) -> Batch<R> {
        let Shared { given, wanted, attention, .. } = &*self.shared;
        let mut state = self.shared.lock();
        loop {
            if let Some(batch) = state.batches.pop_front() {
                state.hungry = false;
                return batch;
            }
            // First said, then looked: an item that comes meanwhile is handed over by the thread.
            if !state.hungry {
                state.hungry = true;
                attention.store(true, Ordering::Relaxed);
                wanted.notify_one();
            }
            let partial = std::mem::take(&mut *self.shared.partial());
            if !partial.is_empty() {
                state.hungry = false;
                return Batch { outcomes: partial, end: None };
            }
            if let Some(message) = &state.panic {
                let message = message.clone();
                drop(state);
                // The hook has seen it on its own thread.
                resume_unwind(Box::new(message));
            }
            state = self.shared.wait(given, state);
        }
    }

    /// So many items were handed out, and may be read anew.
    pub(super) fn release(&self, items: usize) {
        self.shared.lock().ahead -= items;
        self.shared.wanted.notify_one();
    }

    /// Has the reader told; gives an error of an earlier call, and of this one if the thread has nothing else to do.
    pub(super) fn committed(&self, position: R::Position) -> Result<(), R::Error> {
        let mut state = self.shared.lock();
        if let Some(error) = state.commit_error.take() {
            return Err(error);
        }
        state.commit = Some(position);
        self.shared.attention.store(true, Ordering::Relaxed);
        self.shared.wanted.notify_one();
        while state.resting && state.panic.is_none() && (state.commit.is_some() || state.telling) {
            state = self.shared.wait(&self.shared.given, state);
        }
        if let Some(message) = state.panic.clone().filter(|_| state.batches.is_empty()) {
            drop(state);
            resume_unwind(Box::new(message));
        }
        state.commit_error.take().map_or(Ok(()), Err)
    }
}

impl<R: Reader> Drop for Ahead<R> {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.attention.store(true, Ordering::Relaxed);
        self.shared.wanted.notify_one();
        if let Some(thread) = self.thread.take() {
            // Its panics are caught and told of there.
            let _ = thread.join();
        }
    }
}

fn read_ahead<R: Reader>(shared: &Shared<R>, mut reader: R, most: usize) {
    // A part of it, so that reading goes on while a batch is handed out.
    let size = (most / 4).clamp(1, BATCH);
    let mut rest = Rest::No;
    while let Some(room) = wait_for_room(shared, &mut reader, rest, most) {
        let room = room.min(size);
        shared.lock().ahead += room;
        let mut count = 0;
        rest = Rest::No;
        while count < room && rest == Rest::No {
            let read = reader.read();
            rest = match &read {
                Ok(Some(_)) => Rest::No,
                Ok(None) => Rest::Ended,
                Err(error) if reader.steps_over(error) => Rest::No,
                Err(_) => Rest::Failed,
            };
            let read = read.map_err(|error| {
                let (steps_over, location) = (rest == Rest::No, reader.location());
                Fault { error, steps_over, location }
            });
            shared.partial().push(Outcome { read, position: reader.position() });
            count += 1;
            if shared.attention.load(Ordering::Relaxed) {
                break;
            }
        }
        let end = End { progress: reader.progress(), location: reader.location() };
        let mut state = shared.lock();
        state.ahead -= room - count;
        let outcomes = std::mem::take(&mut *shared.partial());
        if !outcomes.is_empty() {
            state.batches.push_back(Batch { outcomes, end: Some(end) });
        }
        state.resting = rest != Rest::No;
        shared.given.notify_all();
    }
}

/// Waits until there is something to read, telling the reader of commits meanwhile; `None` when it is all over.
fn wait_for_room<R: Reader>(shared: &Shared<R>, reader: &mut R, rest: Rest, most: usize) -> Option<usize> {
    let mut state = shared.lock();
    loop {
        if state.closed {
            return None;
        }
        if let Some(position) = state.commit.take() {
            state.telling = true;
            drop(state);
            let told = reader.committed(&position);
            state = shared.lock();
            state.telling = false;
            if let Err(error) = told {
                state.commit_error.get_or_insert(error);
            }
            shared.given.notify_all();
            continue;
        }
        let reads = match rest {
            Rest::No => true,
            Rest::Failed => state.hungry,
            Rest::Ended => false,
        };
        if reads && state.ahead < most {
            state.resting = false;
            shared.attention.store(state.hungry, Ordering::Relaxed);
            return Some(most - state.ahead);
        }
        state = shared.wait(&shared.wanted, state);
    }
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("the reader panicked with a value that is no text")
        .to_owned()
}
