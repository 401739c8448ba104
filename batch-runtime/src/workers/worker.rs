//! A process that runs partitions of other processes' jobs.

mod running;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{BufRead as _, BufReader, Read};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use running::RunningWorker;

use super::fingerprint::queue_of;
use super::hints::Hints;
use super::orders::{JOINED, Order};
use super::wake::Wake;
use crate::definition::{ExecutionId, JobInfo, Parameters, StopSignal, parse_parameters};
use crate::engine::{ClaimedRunner, RunOptions, Secrets, jobs_by_name};
use crate::observe::spans;
use crate::repository::work_queue::{Joined, NewWorker};
use crate::repository::{Repository, RepositoryError};

/// The time after which the worker checks again whether it must drain.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

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
    /// The secrets that managers have sent, by execution.
    manager_secrets: Arc<Mutex<BTreeMap<ExecutionId, BTreeMap<String, String>>>>,
    wake: Wake,
    /// How the worker takes chunks of steps with `remote`; `None` if it takes none.
    #[cfg(feature = "remote-chunks")]
    chunks: Option<super::RemoteChunks>,
    /// The executions whose partitions this worker cannot run.
    declined: Arc<Mutex<BTreeSet<ExecutionId>>>,
    orders: Option<Box<dyn Read + Send + Sync>>,
    hints: Option<Arc<dyn Hints>>,
    /// Called when the worker has joined, when it takes a partition or, for the first time, a chunk, and when it has
    /// ended a partition.
    hint: Box<dyn Fn(&str) + Send + Sync>,
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("slots", &self.slots).finish_non_exhaustive()
    }
}

impl Worker {
    /// Makes a worker for these jobs and their nested jobs. It runs one partition at a time.
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
            manager_secrets: Arc::default(),
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

    /// Takes partitions only from the manager with this token. A manager that starts its own workers has a token.
    #[must_use]
    pub fn only_for(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Ends the worker after it has had nothing to do for that long (default: never).
    #[must_use]
    pub fn idle_exit(mut self, after: Duration) -> Self {
        self.idle_exit = Some(after);
        self
    }

    /// Makes the worker drain once this signal is raised: it takes nothing more, hands its partitions back after
    /// their current chunks, and ends.
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

    /// Lets the worker also take chunks of steps with `remote`: it processes as many chunks at a time as it runs
    /// partitions, and the manager writes the results. When the worker drains, each slot ends after its current chunk.
    #[cfg(feature = "remote-chunks")]
    #[must_use]
    pub fn chunks(mut self, chunks: super::RemoteChunks) -> Self {
        self.chunks = Some(chunks);
        self
    }

    /// Attaches the worker to the manager that started it. The worker looks for work at each line from `orders`, and
    /// drains when the lines end. It calls `hint` when it has joined, when it takes a partition or, for the first time,
    /// a chunk, and when it has ended a partition. The manager's first line, the
    /// [`WorkerSettings`](super::WorkerSettings), must already have been read.
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

    /// Lets hints wake this worker when partitions wait, and managers when partitions have ended. Without hints, both
    /// poll the rows every second or two.
    #[must_use]
    pub fn hints(mut self, hints: Arc<dyn Hints>) -> Self {
        self.hints = Some(hints);
        self
    }

    /// Listens to the manager in another thread.
    fn listen(&mut self) {
        let Some(orders) = self.orders.take() else { return };
        let (drain, wake) = (self.drain.clone(), self.wake.clone());
        let (manager_secrets, declined) = (Arc::clone(&self.manager_secrets), Arc::clone(&self.declined));
        let listens = thread::Builder::new().name("orders".to_owned()).spawn(move || {
            for line in BufReader::new(orders).lines() {
                let Ok(line) = line else { break };
                if let Ok(Order { secrets: Some(secrets) }) = serde_json::from_str(&line) {
                    let execution = secrets.execution;
                    manager_secrets
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .insert(execution, secrets.values);
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

    /// The secrets of this process and of the manager. If both have a value, the manager's is used.
    fn all_secrets(&self) -> Secrets {
        let (own, manager_secrets) = (Arc::clone(&self.secrets), Arc::clone(&self.manager_secrets));
        Arc::new(move |job, execution| {
            let mut secrets = own(job);
            let manager_secrets = manager_secrets.lock().unwrap_or_else(PoisonError::into_inner);
            let texts: Vec<_> = manager_secrets
                .get(&execution)
                .into_iter()
                .flatten()
                .filter(|(name, _)| job.parameters.iter().any(|spec| spec.secret && spec.name == **name))
                .map(|(name, text)| (name.as_str(), text.as_str()))
                .collect();
            // If one of the manager's secrets does not parse, all of them count as missing.
            if let Ok(parsed) = parse_parameters(job, texts) {
                for (name, parameter) in parsed.iter() {
                    secrets.insert(name, parameter.clone());
                }
            }
            secrets
        })
    }

    /// The queues from which the worker takes partitions.
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
        let running = RunningWorker::new(&self, queue, &runner, &queues, id);
        running.listen();
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
        let busy = |is_busy| running.note_chunk(is_busy);
        thread::scope(|scope| {
            #[cfg(feature = "remote-chunks")]
            if let Some(chunks) = &chunks {
                (0..self.slots).for_each(|_| drop(scope.spawn(spans::carried(|| chunks.slot(&busy)))));
            }
            let slots: Vec<_> =
                (0..self.slots).map(|_| scope.spawn(spans::carried(|| running.slot()))).collect();
            let mut last_look = Instant::now();
            while !self.drain.is_raised() && slots.iter().any(|slot| !slot.is_finished()) {
                self.wake.wait_after(self.wake.now(), CHECK_INTERVAL);
                // A manager wakes the worker often and for other reasons, so do not look each time.
                if last_look.elapsed() < CHECK_INTERVAL {
                    continue;
                }
                if queue.drains(id).unwrap_or(false) {
                    self.drain.raise();
                }
                running.hear_stops();
                last_look = Instant::now();
            }
            self.wake.wake();
        });
        drop(lock);
        tracing::info!("worker ended");
        Ok(())
    }
}
