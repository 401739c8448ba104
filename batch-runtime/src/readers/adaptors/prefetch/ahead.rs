//! Runs the thread that reads ahead, and passes its outcomes to the consumer. Each of the two threads ends the waits
//! of the other.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::definition::{Progress, Reader};
use crate::observe::spans::carried;

/// The maximum number of items handed over at once: with so many, a wait costs next to nothing per item.
const BATCH: usize = 256;

/// How long the consumer waits for more than one item: a wake-up costs more than reading an item usually does.
const PATIENCE: Duration = Duration::from_millis(1);

/// The result of a `read` call, and the position after it.
pub(super) struct Outcome<R: Reader> {
    pub(super) read: Result<Option<R::Item>, Fault<R::Error>>,
    pub(super) position: R::Position,
    /// Present after every error, and after some of the items.
    pub(super) mark: Option<Mark>,
}

pub(super) struct Fault<E> {
    pub(super) error: E,
    pub(super) steps_over: bool,
    /// The record that the error concerns, if the reader steps over it.
    pub(super) record: Option<String>,
}

/// The location and progress that the reader reported after an item.
pub(super) struct Mark {
    pub(super) location: Option<String>,
    pub(super) progress: Option<Progress>,
}

/// The consumer's side. Dropping it ends the thread.
pub(super) struct Ahead<R: Reader> {
    shared: Arc<Shared<R>>,
    thread: Option<JoinHandle<()>>,
    batch: usize,
}

struct Shared<R: Reader> {
    state: Mutex<State<R>>,
    /// Wakes the thread: there is room, something to do, or it should end.
    wanted: Condvar,
    /// Wakes the consumer: there is an outcome, an answer, or no thread left to provide one.
    given: Condvar,
}

#[expect(clippy::struct_excessive_bools, reason = "any of them may be true at the same time")]
struct State<R: Reader> {
    outcomes: VecDeque<Outcome<R>>,
    /// The number of items read or being read, and not yet released by the consumer.
    ahead: usize,
    /// True if the consumer waits for a single item.
    wants_one: bool,
    /// True if the thread has stopped reading, for good or until the consumer asks for an item.
    paused: bool,
    closed: bool,
    /// A committed position that the reader has not been notified of yet.
    commit: Option<R::Position>,
    notifying: bool,
    commit_error: Option<R::Error>,
    /// The message of the reader's panic: the thread has ended.
    panic: Option<String>,
}

/// The reason why the thread has stopped reading.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rest {
    No,
    /// After an error that the reader does not step over: it reads again when asked.
    Failed,
    Ended,
}

impl<R: Reader> Shared<R> {
    fn lock(&self) -> MutexGuard<'_, State<R>> {
        // User code never runs under the lock, so a poisoned lock is harmless.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wait<'s, R: Reader>(on: &Condvar, state: MutexGuard<'s, State<R>>) -> MutexGuard<'s, State<R>> {
    on.wait(state).unwrap_or_else(PoisonError::into_inner)
}

impl<R> Ahead<R>
where
    R: Reader<Item: Send, Position: Send, Error: Send> + Send + 'static,
{
    /// Starts the thread, which keeps up to `most` items ahead.
    pub(super) fn start(reader: R, most: usize) -> Self {
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                outcomes: VecDeque::new(),
                ahead: 0,
                wants_one: false,
                paused: false,
                closed: false,
                commit: None,
                notifying: false,
                commit_error: None,
                panic: None,
            }),
            wanted: Condvar::new(),
            given: Condvar::new(),
        });
        // A fraction of `most`, so that reading continues while a batch is consumed.
        let batch = (most / 4).clamp(1, BATCH);
        let its = Arc::clone(&shared);
        let thread = std::thread::spawn(carried(move || {
            let read = catch_unwind(AssertUnwindSafe(|| read_ahead(&its, reader, most, batch)));
            if let Err(payload) = read {
                its.lock().panic = Some(message(&*payload));
            }
            its.given.notify_all();
        }));
        Self { shared, thread: Some(thread), batch }
    }
}

impl<R: Reader> Ahead<R> {
    /// Waits for the next outcomes and returns at least one.
    pub(super) fn take(&self) -> Vec<Outcome<R>> {
        let given = &self.shared.given;
        let mut state = self.shared.lock();
        let settled = |state: &mut State<R>| state.paused || state.panic.is_some();
        if state.outcomes.len() < self.batch && !settled(&mut state) {
            let too_few = |state: &mut State<R>| state.outcomes.len() < self.batch && !settled(state);
            state =
                given.wait_timeout_while(state, PATIENCE, too_few).unwrap_or_else(PoisonError::into_inner).0;
        }
        loop {
            if !state.outcomes.is_empty() {
                let batch = self.batch.min(state.outcomes.len());
                return state.outcomes.drain(..batch).collect();
            }
            if let Some(message) = &state.panic {
                let message = message.clone();
                drop(state);
                // The panic hook has already run on the reader's thread.
                resume_unwind(Box::new(message));
            }
            state.wants_one = true;
            self.shared.wanted.notify_one();
            state = wait(given, state);
        }
    }

    /// Records that `items` items were consumed, so that the thread can read the same number ahead again.
    pub(super) fn release(&self, items: usize) {
        self.shared.lock().ahead -= items;
        self.shared.wanted.notify_one();
    }

    /// Lets the thread notify the reader of a commit. Returns the error of an earlier call, or of this one if
    /// the thread has nothing else to do.
    pub(super) fn committed(&self, position: R::Position) -> Result<(), R::Error> {
        let mut state = self.shared.lock();
        if let Some(error) = state.commit_error.take() {
            return Err(error);
        }
        state.commit = Some(position);
        self.shared.wanted.notify_one();
        while state.paused && state.panic.is_none() && (state.commit.is_some() || state.notifying) {
            state = wait(&self.shared.given, state);
        }
        if let Some(message) = state.panic.clone().filter(|_| state.outcomes.is_empty()) {
            drop(state);
            resume_unwind(Box::new(message));
        }
        state.commit_error.take().map_or(Ok(()), Err)
    }
}

impl<R: Reader> Drop for Ahead<R> {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.wanted.notify_one();
        if let Some(thread) = self.thread.take() {
            // The thread catches and reports its own panics.
            let _ = thread.join();
        }
    }
}

fn read_ahead<R: Reader>(shared: &Shared<R>, mut reader: R, most: usize, batch: usize) {
    let mut rest = Rest::No;
    let mut unmarked = 0;
    let mut state = shared.lock();
    loop {
        let Some(free) = wait_for_room(shared, state, &mut reader, rest, most) else { return };
        drop(free);
        let read = reader.read();
        rest = match &read {
            Ok(Some(_)) => Rest::No,
            Ok(None) => Rest::Ended,
            Err(error) if reader.steps_over(error) => Rest::No,
            Err(_) => Rest::Failed,
        };
        unmarked += 1;
        let mark = (unmarked == batch || read.is_err()).then(|| {
            unmarked = 0;
            Mark { location: reader.location(), progress: reader.progress() }
        });
        let read = read.map_err(|error| {
            let steps_over = rest == Rest::No;
            let record = if steps_over { reader.record(&error) } else { None };
            Fault { error, steps_over, record }
        });
        let outcome = Outcome { read, position: reader.position(), mark };
        state = shared.lock();
        state.outcomes.push_back(outcome);
        state.paused = rest != Rest::No;
        if state.wants_one || state.paused || state.outcomes.len() == batch {
            state.wants_one = false;
            shared.given.notify_all();
        }
    }
}

/// Waits until the thread may read another item, and notifies the reader of commits meanwhile; `None` if the
/// thread should end.
fn wait_for_room<'s, R: Reader>(
    shared: &'s Shared<R>,
    mut state: MutexGuard<'s, State<R>>,
    reader: &mut R,
    rest: Rest,
    most: usize,
) -> Option<MutexGuard<'s, State<R>>> {
    loop {
        if state.closed {
            return None;
        }
        if let Some(position) = state.commit.take() {
            state.notifying = true;
            drop(state);
            let notified = reader.committed(&position);
            state = shared.lock();
            state.notifying = false;
            if let Err(error) = notified {
                state.commit_error.get_or_insert(error);
            }
            shared.given.notify_all();
            continue;
        }
        let reads = match rest {
            Rest::No => true,
            Rest::Failed => state.wants_one,
            Rest::Ended => false,
        };
        if reads && state.ahead < most {
            state.ahead += 1;
            state.paused = false;
            return Some(state);
        }
        state = wait(&shared.wanted, state);
    }
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("the reader panicked with a value that is not a string")
        .to_owned()
}
