//! Runs a `#[processor(concurrency = N)] async fn`: polls its futures concurrently on the thread of the step,
//! inside the job's tokio runtime.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::runtime::{Builder, Handle, Runtime};

use crate::definition::{Failure, Process, Scope, StopSignal, TimedOut, Yields};
use crate::engine::concurrent::window::{Calls, Outcome, Window};
use crate::engine::faults::panic;
use crate::engine::faults::retry::{Noted, Retrying, after};

/// The number of threads of the runtime. They only drive timers and sockets, because each step polls its own futures.
const WORKERS: usize = 2;

/// The tokio runtime of a job: the one that the caller passed, or else one that is created at its first use.
#[derive(Debug, Default)]
pub(crate) struct JobRuntime {
    given: Option<Handle>,
    own: OnceLock<Result<Runtime, String>>,
}

impl JobRuntime {
    pub(crate) fn new(given: Option<Handle>) -> Self {
        Self { given, own: OnceLock::new() }
    }

    pub(crate) fn handle(&self) -> Result<Handle, Failure> {
        if let Some(given) = &self.given {
            return Ok(given.clone());
        }
        let own = self.own.get_or_init(|| {
            Builder::new_multi_thread()
                .worker_threads(WORKERS)
                .thread_name("batch-tokio")
                .enable_all()
                .build()
                .map_err(|error| format!("the tokio runtime of the job could not be started: {error}"))
        });
        own.as_ref().map(|runtime| runtime.handle().clone()).map_err(|why| Failure::new(why.clone()))
    }
}

impl Drop for JobRuntime {
    fn drop(&mut self) {
        // Blocking until the threads of the runtime end would panic inside another runtime.
        if let Some(Ok(runtime)) = self.own.take()
            && Handle::try_current().is_ok()
        {
            runtime.shutdown_background();
        }
    }
}

/// How a call takes its item, so that the call can be retried.
#[derive(Debug, Clone, Copy)]
pub struct CallInput<In, Held> {
    hold: fn(In) -> Held,
    copy: Option<fn(&Held) -> Held>,
    /// True if a copy costs next to nothing, so that every call keeps one.
    shares: bool,
    /// Returns the item, if nobody else holds it.
    give_back: fn(Held) -> Option<In>,
}

impl<Item> CallInput<Item, Item> {
    /// By value. A retry gets a copy made by `copy`.
    #[must_use]
    pub const fn by_value(copy: Option<fn(&Item) -> Item>) -> Self {
        Self { hold: |item| item, copy, shares: false, give_back: Some }
    }
}

impl<Item> CallInput<Item, Arc<Item>> {
    /// By reference. A retry gets the same item.
    #[must_use]
    pub const fn by_reference() -> Self {
        Self { hold: Arc::new, copy: Some(Arc::clone), shares: true, give_back: Arc::into_inner }
    }
}

/// Makes the processor `name`, which has up to `concurrency` futures of `call` in flight, each for at most
/// `timeout`.
///
/// # Errors
/// If the job's runtime cannot be started.
#[expect(clippy::needless_pass_by_value, reason = "generated code makes the input for this call")]
pub fn asynchronous<'s, In, Held, R, K, F, Fut>(
    name: &'static str,
    concurrency: usize,
    timeout: Option<Duration>,
    input: CallInput<In, Held>,
    call: F,
    scope: &Scope<'s>,
) -> Result<impl Process<In, Out = K::Out> + use<'s, In, Held, R, K, F, Fut>, Failure>
where
    In: 's,
    Held: 's,
    R: 's,
    K: Yields<R>,
    F: Fn(Held) -> Fut + 's,
    Fut: Future<Output = Result<R, Failure>> + 's,
{
    let (retrying, give_up) = scope.retrying().given_up_by();
    let CallInput { hold, copy, shares, give_back } = input;
    let copy = copy.filter(|_| shares || retrying.has_rules());
    let attempts = Arc::new(Attempts { call, copy, give_back, timeout, retrying });
    let begin = move |number, item| {
        let attempts = Arc::clone(&attempts);
        let held = hold(item);
        Box::pin(async move { (number, attempts.run(held).await) }) as Call<'s, In, R>
    };
    let calls = Futures { runtime: scope.runtime()?, begin, calls: FuturesUnordered::new(), give_up };
    Ok(Window::<In, R, K, _>::new(name, concurrency, calls))
}

type Call<'s, In, R> = Pin<Box<dyn Future<Output = (u64, Outcome<In, R>)> + 's>>;

/// The futures in flight. Dropping them also ends their backoffs.
struct Futures<'s, In, R, B> {
    runtime: Handle,
    begin: B,
    calls: FuturesUnordered<Call<'s, In, R>>,
    /// Ends the backoffs between retries.
    give_up: StopSignal,
}

impl<'s, In, R, B: Fn(u64, In) -> Call<'s, In, R>> Calls<In, R> for Futures<'s, In, R, B> {
    fn start(&mut self, number: u64, item: In) {
        self.calls.push((self.begin)(number, item));
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<(u64, Outcome<In, R>)> {
        let _inside = self.runtime.enter();
        match self.calls.poll_next_unpin(context) {
            Poll::Ready(Some(done)) => Poll::Ready(done),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}

impl<In, R, B> Drop for Futures<'_, In, R, B> {
    fn drop(&mut self) {
        self.give_up.give_up();
        let _inside = self.runtime.enter();
        self.calls.clear();
    }
}

/// Calls a function until it succeeds or no rule allows another retry.
struct Attempts<F, In, Held> {
    call: F,
    copy: Option<fn(&Held) -> Held>,
    give_back: fn(Held) -> Option<In>,
    timeout: Option<Duration>,
    retrying: Retrying,
}

impl<In, Held, R, F, Fut> Attempts<F, In, Held>
where
    F: Fn(Held) -> Fut,
    Fut: Future<Output = Result<R, Failure>>,
{
    async fn run(&self, mut item: Held) -> Outcome<In, R> {
        let (mut retries, mut failed) = (0, Noted::new());
        loop {
            let kept = self.copy.map(|copy| copy(&item));
            let give_back = |kept: Option<Held>| kept.and_then(self.give_back);
            let failure = match self.call(item).await {
                Ok(returned) if failed.is_empty() => return Outcome::new(Ok(returned), failed, None),
                Ok(returned) => return Outcome::new(Ok(returned), failed, give_back(kept)),
                Err(failure) => failure,
            };
            let wait = self.retrying.wait_for(&failure, retries);
            let (again, wait) = match (kept, wait) {
                (Some(again), Some(wait)) => (again, wait),
                (kept, _) => return Outcome::new(Err(after(failure, retries)), failed, give_back(kept)),
            };
            if !self.pause(wait).await {
                return Outcome::new(Err(failure.interrupted()), failed, None);
            }
            item = again;
            retries += 1;
            failed.push((failure, retries));
        }
    }

    /// Makes one call. A panic in the call becomes its failure.
    async fn call(&self, item: Held) -> Result<R, Failure> {
        let mut call = pin!(async { (self.call)(item).await });
        let call = poll_fn(|context| match panic::catch(|| call.as_mut().poll(context)) {
            Ok(polled) => polled,
            Err(panicked) => Poll::Ready(Err(panicked)),
        });
        match self.timeout {
            None => call.await,
            Some(bound) => match tokio::time::timeout(bound, call).await {
                Ok(done) => done,
                Err(_) => Err(Failure::new(TimedOut::after(bound))),
            },
        }
    }

    /// Waits without blocking the other calls. Returns false if a stop ended the wait.
    async fn pause(&self, wait: Duration) -> bool {
        if wait.is_zero() {
            return self.retrying.pause(wait);
        }
        let retrying = self.retrying.clone();
        // If the runtime shuts down, the wait ends, as it does when the job stops.
        tokio::task::spawn_blocking(move || retrying.pause(wait)).await.unwrap_or(false)
    }
}
