//! Runs the slots of a worker. A slot takes partitions, runs them, and gives back those that it cannot end.

use std::collections::BTreeMap;
#[cfg(feature = "remote-chunks")]
use std::sync::atomic::AtomicBool;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::Worker;
use crate::definition::{StepExecutionId, StopSignal};
use crate::engine::{ClaimedRunner, PartitionOutcome};
use crate::repository::work_queue::{Claim, Claimed, WorkQueue, WorkerId};
use crate::repository::{Ownership, RepositoryError};
use crate::workers::hints::{Listening, Offer};
use crate::workers::orders::{CLAIMED, ENDED};

/// The first wait of an idle worker; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// The longest wait.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// The longest wait while hints arrive.
const LONGEST_HINTED_PAUSE: Duration = Duration::from_secs(5);

/// The state that the slots of a running worker share.
pub(super) struct RunningWorker<'w> {
    worker: &'w Worker,
    queue: &'w dyn WorkQueue,
    runner: &'w ClaimedRunner,
    queues: &'w [String],
    id: WorkerId,
    /// The stop signals of the running partitions, by their step executions.
    held: Mutex<BTreeMap<StepExecutionId, (Ownership, StopSignal)>>,
    /// The number of slots that run a partition.
    busy: AtomicUsize,
    /// The number of slots that process a chunk.
    chunks: AtomicUsize,
    /// Whether any slot has processed a chunk.
    #[cfg(feature = "remote-chunks")]
    has_worked: AtomicBool,
    /// The offers that no slot has acted on yet.
    heard: Arc<Mutex<Vec<Offer>>>,
    listening: OnceLock<Box<dyn Listening>>,
    last_busy: Mutex<Instant>,
}

impl<'w> RunningWorker<'w> {
    pub(super) fn new(
        worker: &'w Worker,
        queue: &'w dyn WorkQueue,
        runner: &'w ClaimedRunner,
        queues: &'w [String],
        id: WorkerId,
    ) -> Self {
        Self {
            worker,
            queue,
            runner,
            queues,
            id,
            held: Mutex::default(),
            busy: AtomicUsize::new(0),
            chunks: AtomicUsize::new(0),
            #[cfg(feature = "remote-chunks")]
            has_worked: AtomicBool::new(false),
            heard: Arc::default(),
            listening: OnceLock::new(),
            last_busy: Mutex::new(Instant::now()),
        }
    }

    /// Takes and runs partitions, one after the other.
    pub(super) fn slot(&self) {
        let Worker { drain, wake, .. } = self.worker;
        let mut pause = FIRST_PAUSE;
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
                    pause = FIRST_PAUSE;
                    continue;
                }
                Ok(Claimed::Drain) => drain.raise(),
                Ok(Claimed::Nothing) if self.was_idle_for_too_long() => drain.raise(),
                Ok(Claimed::Nothing) if pause >= LONGEST_PAUSE => self.runner.forget_ended(),
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
            pause = if woken && has_looked { FIRST_PAUSE } else { (pause * 2).min(self.longest()) };
        }
        // Leave all remaining offers, and any new ones, to other workers.
        self.set_idle(false);
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clear();
        wake.wake();
    }

    fn longest(&self) -> Duration {
        let arrive = self.worker.hints.as_ref().is_some_and(|hints| hints.arrive());
        if arrive { LONGEST_HINTED_PAUSE } else { LONGEST_PAUSE }
    }

    /// Subscribes to offers, which arrive while a slot is free.
    pub(super) fn listen(&self) {
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

    /// Settles the offers that had arrived before a slot looked for a partition. If the slot found one, the other
    /// offers are still valid.
    fn settle(&self, mut heard: Vec<Offer>, claimed: &Result<Claimed, RepositoryError>) {
        match claimed {
            Ok(Claimed::Partition(_)) => {
                if let Some(offer) = heard.pop() {
                    offer.accept();
                }
                let busy = self.busy.fetch_add(1, Ordering::Relaxed) + 1;
                if busy >= self.worker.slots as usize {
                    self.set_idle(false);
                    // No slot is free, so leave the other offers to other workers.
                    drop(heard);
                    drop(std::mem::take(&mut *self.heard.lock().unwrap_or_else(PoisonError::into_inner)));
                } else {
                    self.heard.lock().unwrap_or_else(PoisonError::into_inner).append(&mut heard);
                }
            }
            Ok(Claimed::Nothing) => heard.into_iter().for_each(Offer::accept),
            Ok(Claimed::Drain) | Err(_) => {
                // If the worker still counted as idle, an offer that it gives back would return at once.
                self.set_idle(false);
                drop(heard);
            }
        }
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<StepExecutionId, (Ownership, StopSignal)>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops each held partition before its next commit, if its job was asked to stop or was taken over.
    pub(super) fn hear_stops(&self) {
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
    pub(super) fn note_chunk(&self, begins: bool) {
        if begins {
            self.chunks.fetch_add(1, Ordering::Relaxed);
            // The worker has done real work. If it ends from now on, that is not a failed start.
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
            Ok(PartitionOutcome::Panicked(why)) => {
                let why = format!("worker {} gave it up: {why}", self.id);
                self.insist(|| self.queue.give_up(self.id, partition.id, &why));
            }
            Ok(PartitionOutcome::Ended) => {}
            Ok(PartitionOutcome::NotBegun) => self.insist(|| self.queue.decline(self.id, claim, None)),
            Ok(PartitionOutcome::Declined(why)) => {
                tracing::warn!(job = claim.job, execution = claim.ownership.execution.0, why, "declined");
                let mut declined = self.worker.declined.lock().unwrap_or_else(PoisonError::into_inner);
                declined.insert(claim.ownership.execution);
                drop(declined);
                self.insist(|| self.queue.decline(self.id, claim, Some(&why)));
            }
            // If the partition still belongs to this worker, nobody else will end it.
            Err(error) => {
                tracing::warn!(step = partition.step, %error, "the worker gives up a partition");
                let why = format!("worker {} gave it up: {error}", self.id);
                self.insist(|| self.queue.give_up(self.id, partition.id, &why));
            }
        }
    }

    /// Repeats a write until it succeeds or the worker drains. If the worker drains, its partitions are lost with it.
    fn insist(&self, write: impl Fn() -> Result<(), RepositoryError>) {
        let mut pause = FIRST_PAUSE;
        while let Err(error) = write() {
            tracing::warn!(%error, "the worker cannot write to the repository");
            if self.worker.drain.is_raised() {
                return;
            }
            thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}
