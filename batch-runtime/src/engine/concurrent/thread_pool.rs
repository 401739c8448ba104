//! Runs a `#[processor(concurrency = N)]` function that is not async, on a pool of threads.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;

use crate::definition::{Failure, Process, Scope, StopSignal, Yields};
use crate::engine::concurrent::window::{Calls, Outcome, Window};
use crate::engine::faults::panic;
use crate::engine::faults::retry::{Noted, Retrying};
use crate::engine::profile::{CallsWatch, Lanes};
use crate::observe::spans::carried;

/// Makes the processor `name`, which calls `call` on `concurrency` threads. `copy` copies an item for a
/// retry.
pub fn pooled<In, R, K, F>(
    name: &'static str,
    concurrency: usize,
    copy: Option<fn(&In) -> In>,
    call: F,
    scope: &Scope<'_>,
) -> impl Process<In, Out = K::Out> + use<In, R, K, F>
where
    In: Send,
    R: Send,
    K: Yields<R>,
    F: Fn(In) -> Result<R, Failure> + Send + Sync,
{
    let with_retries = move |item: In, retrying: &Retrying| match copy.filter(|_| retrying.has_rules()) {
        Some(copy) => call_with_retries(retrying, item, |item| call(copy(item))),
        None => Outcome::new(panic::catch(|| call(item)).unwrap_or_else(Err), Noted::new(), None),
    };
    Window::<In, R, K, _>::new(name, concurrency, Pool::new(name, with_retries, scope))
}

/// As [`pooled`], for a function that takes its item by reference.
pub fn pooled_by_reference<In, R, K, F>(
    name: &'static str,
    concurrency: usize,
    call: F,
    scope: &Scope<'_>,
) -> impl Process<In, Out = K::Out> + use<In, R, K, F>
where
    In: Send,
    R: Send,
    K: Yields<R>,
    F: Fn(&In) -> Result<R, Failure> + Send + Sync,
{
    let with_retries = move |item: In, retrying: &Retrying| call_with_retries(retrying, item, &call);
    Window::<In, R, K, _>::new(name, concurrency, Pool::new(name, with_retries, scope))
}

/// Repeats the call until it succeeds or no rule allows another retry.
fn call_with_retries<In, R>(
    retrying: &Retrying,
    item: In,
    call: impl Fn(&In) -> Result<R, Failure>,
) -> Outcome<In, R> {
    let mut retried = Noted::new();
    let note = |failure, retry| retried.push((failure, retry));
    let result =
        retrying.repeat(&mut (), |()| panic::catch(|| call(&item)).unwrap_or_else(Err), |(), _| true, note);
    Outcome::new(result, retried, Some(item))
}

/// The state that the threads of a pool share.
struct Shared<In, F> {
    call: F,
    retrying: Retrying,
    items: Mutex<Receiver<(u64, In)>>,
    /// Wakes the thread that waits for a result.
    waker: Mutex<Option<Waker>>,
    given_up: AtomicBool,
    /// The name of the processor.
    name: &'static str,
    /// Each thread records here what it spent its time on.
    lanes: Arc<Lanes>,
}

/// Threads that call a function. Dropping the pool ends each thread after its current call.
struct Pool<In, R, F> {
    shared: Arc<Shared<In, F>>,
    items: Option<Sender<(u64, In)>>,
    results: Results<In, R>,
    /// Interrupts the backoff before a retry.
    give_up: StopSignal,
}

type Done<In, R> = (u64, Outcome<In, R>);

/// Both ends of the channel for results.
type Results<In, R> = (Sender<Done<In, R>>, Receiver<Done<In, R>>);

impl<In, R, F> Pool<In, R, F>
where
    F: Fn(In, &Retrying) -> Outcome<In, R>,
{
    fn new(name: &'static str, call: F, scope: &Scope<'_>) -> Self {
        let (items, receiver) = mpsc::channel();
        let (retrying, give_up) = scope.retrying().given_up_by();
        let shared = Shared {
            call,
            retrying,
            items: Mutex::new(receiver),
            waker: Mutex::new(None),
            given_up: AtomicBool::new(false),
            name,
            lanes: scope.lanes(),
        };
        Self { shared: Arc::new(shared), items: Some(items), results: mpsc::channel(), give_up }
    }
}

impl<In, F> Shared<In, F> {
    fn work<R>(&self, results: &Sender<Done<In, R>>)
    where
        F: Fn(In, &Retrying) -> Outcome<In, R>,
    {
        let mut lane = CallsWatch::start(self.name, &self.lanes);
        loop {
            let received = self.items.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok((number, item)) = received else { return };
            if self.given_up.load(Ordering::Relaxed) {
                return;
            }
            // A retry policy may panic too.
            let outcome = lane.call(|| {
                panic::catch(|| (self.call)(item, &self.retrying))
                    .unwrap_or_else(|panicked| Outcome::new(Err(panicked), Noted::new(), None))
            });
            if results.send((number, outcome)).is_err() {
                return;
            }
            if let Some(waker) = self.waker.lock().unwrap_or_else(PoisonError::into_inner).take() {
                waker.wake();
            }
        }
    }
}

impl<In, R, F> Calls<In, R> for Pool<In, R, F>
where
    In: Send,
    R: Send,
    F: Fn(In, &Retrying) -> Outcome<In, R> + Send + Sync,
{
    fn start(&mut self, number: u64, item: In) {
        if let Some(items) = &self.items {
            items.send((number, item)).expect("the pool owns the receiver too");
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Done<In, R>> {
        // Set before the channel is polled, so that a call that ends after the poll wakes the thread.
        *self.shared.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(context.waker().clone());
        match self.results.1.try_recv() {
            Ok(done) => Poll::Ready(done),
            Err(_) => Poll::Pending,
        }
    }

    fn spawn<'t>(&mut self, count: usize, threads: &'t thread::Scope<'t, '_>) -> Result<(), Failure>
    where
        Self: 't,
    {
        for _ in 0..count {
            let (shared, results) = (Arc::clone(&self.shared), self.results.0.clone());
            thread::Builder::new()
                .name("batch-pool".to_owned())
                .spawn_scoped(threads, carried(move || shared.work(&results)))
                .map_err(|error| {
                    Failure::new(format!("its {count} threads could not be started: {error}"))
                })?;
        }
        Ok(())
    }
}

impl<In, R, F> Drop for Pool<In, R, F> {
    fn drop(&mut self) {
        self.shared.given_up.store(true, Ordering::Relaxed);
        self.give_up.give_up();
        self.items = None;
    }
}
