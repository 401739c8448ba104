//! A process that runs partitions of other processes' jobs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{BufRead as _, BufReader, Read};
#[cfg(feature = "remote-chunks")]
use std::sync::atomic::AtomicBool;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::fingerprint::queue_of;
use super::hints::{Hints, Listening, Offer};
use super::orders::{CLAIMED, ENDED, JOINED, Order};
use super::wake::Wake;
use crate::definition::{ExecutionId, JobInfo, Parameters, StepExecutionId, StopSignal, parse_parameters};
use crate::engine::{ClaimedRunner, Ran, RunOptions, Secrets, jobs_by_name};
use crate::observe::spans;
use crate::repository::work_queue::{Claim, Claimed, Joined, NewWorker, WorkQueue, WorkerId};
use crate::repository::{Ownership, Repository, RepositoryError};

/// The first wait of an idle worker; it doubles each time.
const SHORTEST: Duration = Duration::from_millis(20);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(2);
/// The longest wait while hints arrive.
const LONGEST_HINTED: Duration = Duration::from_secs(5);
/// The time between two checks whether the worker is to drain.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// Runs partitions that managers of the same program offer in the repository, until it is told to drain.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use batch_runtime::repository::sqlite::SqliteRepository;
/// use batch_runtime::workers::Worker;
///
/// let repository = Arc::new(SqliteRepository::temporary()?);
/// // Ends because there is nothing to do.
/// Worker::new(repository, &[]).idle_exit(Duration::ZERO).run()?;
/// # Ok::<(), batch_runtime::repository::RepositoryError>(())
/// ```
pub struct Worker {
    repository: Arc<dyn Repository>,
    jobs: Vec<&'static JobInfo>,
    slots: u32,
    token: Option<String>,
    idle_exit: Option<Duration>,
    drain: StopSignal,
    options: RunOptions,
    /// The secrets of this process.
    secrets: Arc<dyn Fn(&JobInfo) -> Parameters + Send + Sync>,
    /// The secrets that a manager has told it, by execution.
    told: Arc<Mutex<BTreeMap<ExecutionId, BTreeMap<String, String>>>>,
    wake: Wake,
    /// How it takes chunks of steps with `remote`, if it does.
    #[cfg(feature = "remote-chunks")]
    chunks: Option<super::RemoteChunks>,
    /// The executions that it cannot run partitions of.
    declined: Arc<Mutex<BTreeSet<ExecutionId>>>,
    orders: Option<Box<dyn Read + Send + Sync>>,
    hints: Option<Arc<dyn Hints>>,
    /// Is called when the worker takes a partition and when it has ended one.
    hint: Box<dyn Fn(&str) + Send + Sync>,
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("slots", &self.slots).finish_non_exhaustive()
    }
}

impl Worker {
    /// A worker for these jobs and their nested jobs, which runs one partition at a time.
    #[must_use]
    pub fn new(repository: Arc<dyn Repository>, jobs: &[&'static JobInfo]) -> Self {
        Self {
            repository,
            jobs: jobs.to_vec(),
            slots: 1,
            token: None,
            idle_exit: None,
            drain: StopSignal::new(),
            options: RunOptions::default(),
            secrets: Arc::new(|_| Parameters::new()),
            told: Arc::default(),
            wake: Wake::default(),
            #[cfg(feature = "remote-chunks")]
            chunks: None,
            declined: Arc::default(),
            orders: None,
            hints: None,
            hint: Box::new(|_| ()),
        }
    }

    /// Runs that many partitions at the same time (default: 1).
    #[must_use]
    pub fn slots(mut self, slots: u32) -> Self {
        self.slots = slots.max(1);
        self
    }

    /// Takes partitions only from the manager with a token: a manager that starts its own workers has one.
    #[must_use]
    pub fn only_for(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Ends after it has had nothing to do for that long (default: never).
    #[must_use]
    pub fn idle_exit(mut self, after: Duration) -> Self {
        self.idle_exit = Some(after);
        self
    }

    /// Takes nothing more once this signal is raised, hands its partitions back after their current chunks, and ends.
    #[must_use]
    pub fn drain_on(mut self, signal: StopSignal) -> Self {
        self.drain = signal;
        self
    }

    /// Supplies the secret parameters of a job. The repository does not store them.
    #[must_use]
    pub fn secrets(mut self, secrets: impl Fn(&JobInfo) -> Parameters + Send + Sync + 'static) -> Self {
        self.secrets = Arc::new(secrets);
        self
    }

    /// Sets the tokio runtime for `async` processors, as in [`RunOptions::runtime`].
    #[cfg(feature = "async")]
    #[must_use]
    pub fn runtime(mut self, runtime: tokio::runtime::Handle) -> Self {
        self.options.runtime = Some(runtime);
        self
    }

    /// Also takes chunks of steps with `remote`, as many at a time as partitions. The worker processes them, and the manager
    /// writes the results. When it drains, each slot ends after its current chunk.
    #[cfg(feature = "remote-chunks")]
    #[must_use]
    pub fn chunks(mut self, chunks: super::RemoteChunks) -> Self {
        self.chunks = Some(chunks);
        self
    }

    /// Attaches the worker to the manager that started it: it looks for work at each line from `orders`, and drains when
    /// they end. `hint` is called when it takes a partition and when it has ended one. The manager's first line, the
    /// [`WorkerSettings`](super::WorkerSettings), must already be read.
    #[must_use]
    pub fn attached(
        mut self,
        orders: impl Read + Send + Sync + 'static,
        hint: impl Fn(&str) + Send + Sync + 'static,
    ) -> Self {
        self.hint = Box::new(hint);
        self.orders = Some(Box::new(orders));
        self
    }

    /// Lets hints wake this worker when partitions wait, and managers when they have ended. Without hints, both poll the
    /// rows every second or two.
    #[must_use]
    pub fn hints(mut self, hints: Arc<dyn Hints>) -> Self {
        self.hints = Some(hints);
        self
    }

    /// Listens to the manager in another thread.
    fn listen(&mut self) {
        let Some(orders) = self.orders.take() else { return };
        let (drain, wake) = (self.drain.clone(), self.wake.clone());
        let (told, declined) = (Arc::clone(&self.told), Arc::clone(&self.declined));
        let listens = thread::Builder::new().name("orders".to_owned()).spawn(move || {
            for line in BufReader::new(orders).lines() {
                let Ok(line) = line else { break };
                if let Ok(Order { secrets: Some(secrets) }) = serde_json::from_str(&line) {
                    let execution = secrets.execution;
                    told.lock().unwrap_or_else(PoisonError::into_inner).insert(execution, secrets.values);
                    // The worker may have declined the execution because it did not have these secrets.
                    declined.lock().unwrap_or_else(PoisonError::into_inner).remove(&execution);
                }
                wake.wake();
            }
            drain.raise();
            wake.wake();
        });
        if let Err(error) = listens {
            tracing::warn!(%error, "the worker cannot listen to its manager, and ends");
            self.drain.raise();
        }
    }

    /// The secrets of this process and of the manager, whose values win.
    fn all_secrets(&self) -> Secrets {
        let (own, told) = (Arc::clone(&self.secrets), Arc::clone(&self.told));
        Arc::new(move |job, execution| {
            let mut secrets = own(job);
            let told = told.lock().unwrap_or_else(PoisonError::into_inner);
            let texts: Vec<_> = told
                .get(&execution)
                .into_iter()
                .flatten()
                .filter(|(name, _)| job.parameters.iter().any(|spec| spec.secret && spec.name == **name))
                .map(|(name, text)| (name.as_str(), text.as_str()))
                .collect();
            // A text that does not parse counts as missing.
            if let Ok(parsed) = parse_parameters(job, texts) {
                for (name, parameter) in parsed.iter() {
                    secrets.insert(name, parameter.clone());
                }
            }
            secrets
        })
    }

    /// The queues that it takes partitions from.
    #[must_use]
    pub fn queues(&self) -> Vec<String> {
        jobs_by_name(&self.jobs).values().map(|job| queue_of(self.token.as_deref(), job)).collect()
    }

    /// Works until it is told to drain, or has been idle for too long.
    ///
    /// # Errors
    /// If the repository has no queue, or cannot be written at the start.
    pub fn run(mut self) -> Result<(), RepositoryError> {
        self.listen();
        let queue = self.repository.work_queue().ok_or_else(|| RepositoryError::Unusable {
            place: self.repository.url(),
            what: "has no queue for workers: use SQLite or PostgreSQL".to_owned(),
        })?;
        let runner = ClaimedRunner::new(
            Arc::clone(&self.repository),
            &self.jobs,
            self.options.clone(),
            self.all_secrets(),
        );
        let queues = self.queues();
        let Joined { id, lock } =
            queue.join(&NewWorker { queues: &queues, slots: self.slots, lost: &self.drain })?;
        let _inside = spans::worker(id);
        tracing::info!(slots = self.slots, "worker started");
        (self.hint)(&format!("{JOINED}{id}"));
        let working = Working {
            worker: &self,
            queue,
            runner: &runner,
            queues: &queues,
            id,
            held: Mutex::default(),
            busy: AtomicUsize::new(0),
            chunks: AtomicUsize::new(0),
            #[cfg(feature = "remote-chunks")]
            has_worked: AtomicBool::new(false),
            heard: Arc::default(),
            listening: OnceLock::new(),
            last_busy: Mutex::new(Instant::now()),
        };
        working.listen();
        #[cfg(feature = "remote-chunks")]
        let chunks = self.chunks.as_ref().map(|chunks| super::chunks::ChunkSlots {
            repository: &*self.repository,
            runner: &runner,
            chunks,
            drain: &self.drain,
            id,
            name: format!("worker {id}"),
            executions: Mutex::default(),
        });
        #[cfg(feature = "remote-chunks")]
        let busy = |is_busy| working.note_chunk(is_busy);
        thread::scope(|scope| {
            #[cfg(feature = "remote-chunks")]
            if let Some(chunks) = &chunks {
                (0..self.slots).for_each(|_| drop(scope.spawn(spans::carried(|| chunks.slot(&busy)))));
            }
            let slots: Vec<_> =
                (0..self.slots).map(|_| scope.spawn(spans::carried(|| working.slot()))).collect();
            let mut last_look = Instant::now();
            while !self.drain.is_raised() && slots.iter().any(|slot| !slot.is_finished()) {
                self.wake.wait_after(self.wake.now(), BETWEEN_LOOKS);
                // A manager wakes the worker often, and for other reasons.
                if last_look.elapsed() < BETWEEN_LOOKS {
                    continue;
                }
                if queue.drains(id).unwrap_or(false) {
                    self.drain.raise();
                }
                working.hear_stops();
                last_look = Instant::now();
            }
            self.wake.wake();
        });
        drop(lock);
        tracing::info!("worker ended");
        Ok(())
    }
}

/// The state that the slots of a running worker share.
struct Working<'w> {
    worker: &'w Worker,
    queue: &'w dyn WorkQueue,
    runner: &'w ClaimedRunner,
    queues: &'w [String],
    id: WorkerId,
    /// The stop signals of the running partitions, by their step executions.
    held: Mutex<BTreeMap<StepExecutionId, (Ownership, StopSignal)>>,
    /// The slots that run a partition.
    busy: AtomicUsize,
    /// The slots that process a chunk.
    chunks: AtomicUsize,
    /// Whether any slot has processed a chunk.
    #[cfg(feature = "remote-chunks")]
    has_worked: AtomicBool,
    /// The offers that no slot has acted on yet.
    heard: Arc<Mutex<Vec<Offer>>>,
    listening: OnceLock<Box<dyn Listening>>,
    last_busy: Mutex<Instant>,
}

impl Working<'_> {
    /// Takes and runs partitions, one after the other.
    fn slot(&self) {
        let Worker { drain, wake, .. } = self.worker;
        let mut pause = SHORTEST;
        while !drain.is_raised() {
            let moment = wake.now();
            let declined = self.worker.declined.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let heard = std::mem::take(&mut *self.heard.lock().unwrap_or_else(PoisonError::into_inner));
            let claimed = self.queue.claim(self.id, self.queues, &declined);
            self.settle(heard, &claimed);
            let has_looked = claimed.is_ok();
            match claimed {
                Ok(Claimed::Partition(claim)) => {
                    (self.worker.hint)(CLAIMED);
                    self.work(&claim);
                    (self.worker.hint)(ENDED);
                    if let Some(hints) = &self.worker.hints {
                        hints.ended(claim.ownership);
                    }
                    *self.last_busy.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
                    self.busy.fetch_sub(1, Ordering::Relaxed);
                    pause = SHORTEST;
                    continue;
                }
                Ok(Claimed::Drain) => drain.raise(),
                Ok(Claimed::Nothing) if self.was_idle_for_too_long() => drain.raise(),
                Ok(Claimed::Nothing) if pause >= LONGEST => self.runner.forget_ended(),
                Ok(Claimed::Nothing) => {}
                Err(error) => tracing::warn!(%error, "the worker cannot look for work"),
            }
            if drain.is_raised() {
                break;
            }
            if has_looked {
                self.set_idle(true);
            }
            let woken = wake.wait_after(moment, pause);
            pause = if woken && has_looked { SHORTEST } else { (pause * 2).min(self.longest()) };
        }
        // All offers that are left, and any new ones, are for other workers.
        self.set_idle(false);
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clear();
        wake.wake();
    }

    fn longest(&self) -> Duration {
        let arrive = self.worker.hints.as_ref().is_some_and(|hints| hints.arrive());
        if arrive { LONGEST_HINTED } else { LONGEST }
    }

    /// Starts to receive offers while a slot is free.
    fn listen(&self) {
        let Some(hints) = &self.worker.hints else { return };
        let (heard, wake) = (Arc::clone(&self.heard), self.worker.wake.clone());
        let drain = self.worker.drain.clone();
        let hear = move |offer| {
            if drain.is_raised() {
                return drop(offer);
            }
            heard.lock().unwrap_or_else(PoisonError::into_inner).push(offer);
            wake.wake();
        };
        let listening = hints.on_offer(self.queues, self.worker.slots, Box::new(hear));
        let _ = self.listening.set(listening);
    }

    fn set_idle(&self, idle: bool) {
        if let Some(listening) = self.listening.get() {
            listening.set_idle(idle);
        }
    }

    /// Settles the offers that had arrived before a slot looked for a partition. If it found one, the other offers are still
    /// good.
    fn settle(&self, mut heard: Vec<Offer>, claimed: &Result<Claimed, RepositoryError>) {
        match claimed {
            Ok(Claimed::Partition(_)) => {
                if let Some(offer) = heard.pop() {
                    offer.accept();
                }
                let busy = self.busy.fetch_add(1, Ordering::Relaxed) + 1;
                if busy >= self.worker.slots as usize {
                    self.set_idle(false);
                    // They are for other workers.
                    drop(heard);
                    drop(std::mem::take(&mut *self.heard.lock().unwrap_or_else(PoisonError::into_inner)));
                } else {
                    self.heard.lock().unwrap_or_else(PoisonError::into_inner).append(&mut heard);
                }
            }
            Ok(Claimed::Nothing) => heard.into_iter().for_each(Offer::accept),
            Ok(Claimed::Drain) | Err(_) => {
                // Otherwise an offer that is given back would return at once.
                self.set_idle(false);
                drop(heard);
            }
        }
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<StepExecutionId, (Ownership, StopSignal)>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops the partitions of jobs that are to stop or were taken over, before their next commits.
    fn hear_stops(&self) {
        let held: Vec<_> = self.held().values().cloned().collect();
        for (ownership, stop) in held {
            let stops = self.worker.repository.stop_requested(ownership);
            if matches!(stops, Ok(true) | Err(RepositoryError::Fenced { .. })) {
                stop.raise();
            }
        }
    }

    /// Notes that a slot begins or ends a chunk.
    #[cfg(feature = "remote-chunks")]
    fn note_chunk(&self, begins: bool) {
        if begins {
            self.chunks.fetch_add(1, Ordering::Relaxed);
            // The worker has done real work: an end from now on is not a failed start.
            if !self.has_worked.swap(true, Ordering::Relaxed) {
                (self.worker.hint)(CLAIMED);
            }
        } else {
            *self.last_busy.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
            self.chunks.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn was_idle_for_too_long(&self) -> bool {
        let last = *self.last_busy.lock().unwrap_or_else(PoisonError::into_inner);
        self.busy.load(Ordering::Relaxed) == 0
            && self.chunks.load(Ordering::Relaxed) == 0
            && self.worker.idle_exit.is_some_and(|most| last.elapsed() >= most)
    }

    fn work(&self, claim: &Claim) {
        let partition = &claim.partition;
        let stop = self.worker.drain.of_execution();
        self.held().insert(partition.id, (claim.ownership, stop.clone()));
        let ran = self.runner.run(claim, &stop, &self.worker.drain);
        self.held().remove(&partition.id);
        match ran {
            Ok(Ran::Panicked(why)) => {
                let why = format!("worker {} gave it up: {why}", self.id);
                self.insist(|| self.queue.give_up(self.id, partition.id, &why));
            }
            Ok(Ran::Ended) => {}
            Ok(Ran::NotBegun) => self.insist(|| self.queue.decline(self.id, claim, None)),
            Ok(Ran::Declined(why)) => {
                tracing::warn!(job = claim.job, execution = claim.ownership.execution.0, why, "declined");
                let mut declined = self.worker.declined.lock().unwrap_or_else(PoisonError::into_inner);
                declined.insert(claim.ownership.execution);
                drop(declined);
                self.insist(|| self.queue.decline(self.id, claim, Some(&why)));
            }
            // The partition may still belong to this worker, and then nobody else will end it.
            Err(error) => {
                tracing::warn!(step = partition.step, %error, "the worker gives a partition up");
                let why = format!("worker {} gave it up: {error}", self.id);
                self.insist(|| self.queue.give_up(self.id, partition.id, &why));
            }
        }
    }

    /// Repeats a write until it succeeds, or the worker drains: its partitions are then lost with it.
    fn insist(&self, write: impl Fn() -> Result<(), RepositoryError>) {
        let mut pause = SHORTEST;
        while let Err(error) = write() {
            tracing::warn!(%error, "the worker cannot write to the repository");
            if self.worker.drain.is_raised() {
                return;
            }
            thread::sleep(pause);
            pause = (pause * 2).min(LONGEST);
        }
    }
}
