//! A worker's slots for chunks: each takes requests from a carrier, and keeps the processors of its most recent steps
//! open.

use std::collections::{BTreeMap, VecDeque};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

use super::chunk_carrier::{ChunkAnswer, ChunkOffer};
use super::remote_chunks::RemoteChunks;
use crate::definition::{ExecutionId, StopSignal};
use crate::engine::ClaimedRunner;
use crate::engine::remote::{
    Answer, Ask, RequestOutcome, Secret, StepHead, StepKey, asked, is_of_the_manager, key_of, short_reply,
};
use crate::observe::spans;
use crate::repository::work_queue::WorkerId;
use crate::repository::{BatchStatus, Repository, RepositoryError};

/// How many steps a slot keeps open.
const MOST_OPEN: usize = 4;
/// The time between two checks whether the worker must drain.
const CHECK_INTERVAL: Duration = Duration::from_millis(200);
/// After this time without a request, the slot closes its steps.
const CLOSE_AFTER: Duration = Duration::from_secs(30);
/// How long the worker trusts what it has read about an execution before it reads the row again.
const CACHE_TIME: Duration = Duration::from_secs(5);
/// The maximum number of executions that are remembered. Without a limit, forged requests could fill the memory,
/// because they can name any execution.
const MOST_KNOWN: usize = 1_000;
/// The pause after a refusal, so that other workers take the next chunks.
const REFUSAL_PAUSE: Duration = Duration::from_millis(500);

/// The slots of a worker that take chunks.
pub(super) struct ChunkSlots<'w> {
    pub(super) repository: &'w dyn Repository,
    pub(super) runner: &'w ClaimedRunner,
    pub(super) chunks: &'w RemoteChunks,
    pub(super) drain: &'w StopSignal,
    pub(super) id: WorkerId,
    /// The name of the worker, for messages.
    pub(super) name: String,
    pub(super) executions: Mutex<BTreeMap<i64, CachedExecution>>,
}

/// The data of an execution that a slot needs, as read from the repository.
#[derive(Clone)]
pub(super) struct Execution {
    secret: Secret,
    epoch: u64,
    runs: bool,
}

/// The result of a look-up, and its time; `None` if there is no such execution.
pub(super) type CachedExecution = (Option<Execution>, Instant);

/// A step that is kept open in a thread of its own.
struct Open {
    key: StepKey,
    requests: Sender<(Ask, Vec<u8>)>,
    outcomes: Receiver<Outcome>,
}

/// The outcome of a request.
enum Outcome {
    Served(RequestOutcome),
    /// The step cannot be opened.
    Refused(String),
}

/// Whether a request is done.
enum Verdict {
    /// The request is done.
    Settled,
    /// The request must be offered again.
    OfferAgain,
}

impl ChunkSlots<'_> {
    /// Takes and processes chunks, one after the other. Calls `busy` with true when a chunk begins, and with false
    /// when it ends.
    pub(super) fn slot(&self, busy: &(dyn Fn(bool) + Sync)) {
        let queues: Vec<String> = (self.runner.jobs())
            .filter(|job| crate::engine::has_remote_steps(job))
            .map(|job| self.chunks.queue(self.repository, job))
            .collect();
        if queues.is_empty() {
            return;
        }
        let mut offers = match self.chunks.carrier().offers(&queues) {
            Ok(offers) => offers,
            Err(error) => {
                tracing::warn!(%error, "the worker takes no chunks");
                return;
            }
        };
        thread::scope(|scope| {
            let mut open = VecDeque::new();
            let mut last = Instant::now();
            while !self.drain.is_raised() {
                let Some(ChunkOffer { request, answer }) = offers.next(CHECK_INTERVAL) else {
                    if last.elapsed() >= CLOSE_AFTER {
                        open.clear();
                    }
                    continue;
                };
                busy(true);
                if let Verdict::Settled = self.take(scope, &mut open, request, &*answer) {
                    answer.settle();
                }
                busy(false);
                last = Instant::now();
            }
        });
    }

    fn take<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        open: &mut VecDeque<Open>,
        mut request: Vec<u8>,
        answer: &dyn ChunkAnswer,
    ) -> Verdict {
        let dropped = |why: &str| {
            tracing::debug!(bytes = request.len(), why, "dropped a request");
            Verdict::Settled
        };
        let Some(key) = key_of(&request) else { return dropped("it is not a request of this version") };
        let execution = match self.execution(&key) {
            Ok(Some(execution)) => execution,
            Ok(None) => return dropped("there is no such execution"),
            Err(error) => {
                tracing::warn!(%error, "cannot read the repository");
                thread::sleep(CHECK_INTERVAL);
                return Verdict::OfferAgain;
            }
        };
        if !is_of_the_manager(&request, &execution.secret) {
            return dropped("no manager has signed it");
        }
        if !execution.runs || execution.epoch != key.epoch {
            return dropped("its execution has ended");
        }
        let Some((head, ask, items)) = asked(&request) else { return dropped("it cannot be read") };
        let items = items.len();
        let items = request.split_off(request.len() - items);
        let chunk = match &ask {
            Ask::Ready => None,
            Ask::Chunk(chunk) => Some((chunk.number, chunk.turn)),
        };
        let worker = self.id.0;
        let say = |said: Answer| {
            if let Some(reply) = short_reply(key, &execution.secret, &said) {
                answer.send(reply);
            }
        };
        let say_begun = || {
            if let Some((number, turn)) = chunk {
                say(Answer::Begun { number, turn, worker });
            }
        };
        let refuse = |why: &str| {
            tracing::warn!(job = head.job, step = head.path, why, "refused a chunk");
            let number = chunk.map(|(number, _)| number);
            say(Answer::Refused { number, worker, why: why.to_owned() });
            thread::sleep(REFUSAL_PAUSE);
            Verdict::Settled
        };
        if head.build != self.chunks.build_name() {
            return refuse(&format!("{} is another build of the program", self.name));
        }
        say_begun();
        let sign_every = Duration::from_millis(head.sign_every);
        let at = open.iter().position(|step| step.key == key);
        let step = match at.and_then(|at| open.remove(at)) {
            Some(step) => step,
            None => self.open(scope, key, head.clone(), execution.secret.clone()),
        };
        if step.requests.send((ask, items)).is_err() {
            return refuse("the processors of its step could not be kept open");
        }
        let outcome = loop {
            match step.outcomes.recv_timeout(sign_every) {
                Ok(outcome) => break outcome,
                Err(RecvTimeoutError::Timeout) => say_begun(),
                Err(RecvTimeoutError::Disconnected) => {
                    break Outcome::Refused("the processors of its step could not be kept open".to_owned());
                }
            }
        };
        match outcome {
            Outcome::Refused(why) | Outcome::Served(RequestOutcome::Refused(why)) => {
                return refuse(&format!("{}: {why}", self.name));
            }
            Outcome::Served(RequestOutcome::Answer(reply)) => answer.send(reply),
            Outcome::Served(RequestOutcome::Interrupted) => {
                if let Some((number, _)) = chunk {
                    say(Answer::GivenBack { number, worker });
                }
                return Verdict::OfferAgain;
            }
        }
        open.push_back(step);
        if open.len() > MOST_OPEN {
            open.pop_front();
        }
        Verdict::Settled
    }

    /// Opens a step in its own thread, which ends when the slot drops the step.
    fn open<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        key: StepKey,
        head: StepHead,
        secret: Secret,
    ) -> Open {
        let (requests, taken) = channel();
        let (says, outcomes) = channel();
        let thread = thread::Builder::new().name(format!("chunks of {}", head.path));
        let spawned = thread.spawn_scoped(
            scope,
            spans::carried(move || {
                let parts = (key, secret, self.chunks.carrier().longest(), self.name.clone());
                let mut next = || taken.recv().ok();
                // The slot receives every outcome unless it has ended, so a failed send does not matter.
                let mut served = |served| drop(says.send(Outcome::Served(served)));
                if let Err(why) = self.runner.serve(&head, parts, self.drain, &mut next, &mut served) {
                    let _ = says.send(Outcome::Refused(why));
                }
            }),
        );
        if let Err(error) = spawned {
            tracing::warn!(%error, "no thread could be started for a step");
        }
        Open { key, requests, outcomes }
    }

    /// Looks up an execution, in memory or in the repository; `None` if there is no such execution.
    fn execution(&self, key: &StepKey) -> Result<Option<Execution>, RepositoryError> {
        let known = self.executions().get(&key.execution).cloned();
        if let Some((known, _)) = known.filter(|(_, looked)| looked.elapsed() < CACHE_TIME) {
            return Ok(known);
        }
        // Read the repository without holding the lock, so that other slots need not wait.
        let execution = match self.repository.execution(ExecutionId(key.execution)) {
            Ok(row) => row.owner.map(|owner| Execution {
                secret: Secret::of_owner(&owner.uuid),
                epoch: row.epoch,
                runs: matches!(row.status, BatchStatus::Starting | BatchStatus::Started),
            }),
            Err(RepositoryError::NoSuchExecution { .. }) => None,
            Err(error) => return Err(error),
        };
        let mut executions = self.executions();
        executions.retain(|_, (_, looked)| looked.elapsed() < CACHE_TIME);
        if executions.len() < MOST_KNOWN {
            executions.insert(key.execution, (execution.clone(), Instant::now()));
        }
        Ok(execution)
    }

    fn executions(&self) -> MutexGuard<'_, BTreeMap<i64, CachedExecution>> {
        self.executions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
