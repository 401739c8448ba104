//! The state of a step's workers that its lanes share, and the messages to the workers. This code does not know the
//! types of the items.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::codec;
use super::messages::{Ask, PROTOCOL, StepHead, StepKey, key_of};
use super::run::RemoteRun;
use super::signed::{self, Secret, Sender, begin};
use crate::definition::{ExecutionId, Failure};
use crate::engine::step::StepRun;
use crate::repository::encode_context;
use crate::workers::{ChunkRequests, RemoteChunks, Secrets};

/// The maximum number of replies that wait to be read. Further ones are dropped, and their chunks are requested again.
const MAX_REPLIES: usize = 4_096;

/// The state that all lanes of a step share with the carrier.
pub(crate) struct Exchange {
    key: StepKey,
    head: StepHead,
    secret: Secret,
    began: Instant,
    /// Taken out at the end of the step, so that no more replies arrive.
    requests: Mutex<Option<Box<dyn ChunkRequests>>>,
    inbox: Arc<Inbox>,
    pub(super) longest: usize,
    /// How long to wait for an answer before it counts as late.
    pub(super) patience: Duration,
    /// The maximum time that a chunk waits for a worker if the chunk must not be processed here.
    pub(super) most_wait: Option<Duration>,
    tell: Arc<dyn Fn(&str) + Send + Sync>,
    chunks: RemoteChunks,
    step: (ExecutionId, String),
}

/// The replies that have arrived, and whether a worker serves the step.
#[derive(Default)]
struct Inbox {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The step has ended.
    is_over: bool,
    /// A worker has said that it processes chunks of the step.
    is_served: bool,
    replies: VecDeque<Vec<u8>>,
}

/// The result of a lane's wait for a reply.
pub(super) enum Received {
    Reply(Vec<u8>),
    Nothing,
    /// The step has ended.
    Over,
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Exchange {
    /// Opens the connection to the workers of a step.
    pub(super) fn open(run: &StepRun<'_>, remote: &RemoteRun<'_>) -> Result<Self, Failure> {
        let RemoteRun { repository, ownership, job, chunks, secrets, tell } = remote;
        let owner = repository.execution(ownership.execution).map_err(Failure::new)?.owner;
        let owner = owner.ok_or_else(|| {
            Failure::new("the repository does not name the owner of the execution, so replies of workers cannot be verified")
        })?;
        let context = run.context();
        let (of_step, of_job) =
            (context.values.snapshot().values, run.environment.job.values.snapshot().values);
        let values = (!of_step.is_empty() || !of_job.is_empty())
            .then(|| (encode_context(&of_step), encode_context(&of_job)));
        let patience = chunks.patience_for_answers();
        let sign_every = u64::try_from((patience / 6).as_millis()).unwrap_or(u64::MAX).max(1);
        let inbox = Arc::new(Inbox::default());
        let key = StepKey {
            protocol: PROTOCOL,
            instance: ownership.instance.0,
            execution: ownership.execution.0,
            epoch: ownership.epoch,
            id: context.id.0,
        };
        let secret = Secret::of_owner(&owner.uuid);
        let signer = secret.clone();
        let arrivals = Arc::clone(&inbox);
        let queue = chunks.queue(*repository, job);
        let requests = chunks.carrier().requests(
            &queue,
            Box::new(move |reply| {
                if key_of(&reply) != Some(key) || !signer.has_signed(Sender::Worker, &reply) {
                    tracing::debug!(
                        bytes = reply.len(),
                        "dropped a reply that is not signed by a worker of this step"
                    );
                    return;
                }
                let mut state = arrivals.lock();
                if !state.is_over && state.replies.len() < MAX_REPLIES {
                    state.replies.push_back(reply);
                    drop(state);
                    arrivals.changed.notify_all();
                }
            }),
        )?;
        let secrets = Secrets { execution: ownership.execution, values: secrets.clone() };
        chunks.share(repository.identity(), secrets);
        Ok(Self {
            key,
            head: StepHead {
                build: chunks.build_name().to_owned(),
                job: job.name.to_owned(),
                path: context.step.clone(),
                starts: context.starts,
                age: 0,
                values,
                sign_every,
            },
            secret,
            began: Instant::now(),
            requests: Mutex::new(Some(requests)),
            inbox,
            longest: chunks.carrier().longest(),
            patience,
            most_wait: chunks.most_wait(),
            tell: Arc::clone(tell),
            chunks: (*chunks).clone(),
            step: (ownership.execution, context.step.clone()),
        })
    }

    /// Begins the message of a request, which is not signed yet.
    pub(super) fn request(&self, ask: &Ask) -> Result<Vec<u8>, Failure> {
        let age = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut message = begin();
        codec::write(&mut message, &self.key)
            .and_then(|()| codec::write(&mut message, &StepHead { age, ..self.head.clone() }))
            .and_then(|()| codec::write(&mut message, ask))
            .map_err(Failure::new)?;
        Ok(message)
    }

    /// Returns whether messages get through, as far as the carrier knows.
    pub(super) fn is_connected(&self) -> bool {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.as_ref().is_some_and(|requests| requests.reaches())
    }

    /// Signs a request and sends it.
    pub(super) fn send(&self, message: Vec<u8>) {
        let message = self.secret.sign(Sender::Manager, message);
        if let Some(requests) = &*self.requests.lock().unwrap_or_else(PoisonError::into_inner) {
            requests.send(message);
        }
    }

    /// Waits for the next reply, for at most `wait`.
    pub(super) fn receive(&self, wait: Duration) -> Received {
        let waits = |state: &mut State| !state.is_over && state.replies.is_empty();
        let state = self.inbox.lock();
        let waited = self.inbox.changed.wait_timeout_while(state, wait, waits);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match state.replies.pop_front() {
            _ if state.is_over => Received::Over,
            Some(reply) => Received::Reply(reply),
            None => Received::Nothing,
        }
    }

    /// Waits until a worker serves the step. Returns false if the step ends instead.
    pub(super) fn wait_until_served(&self) -> bool {
        let waits = |state: &mut State| !state.is_over && !state.is_served;
        let waited = self.inbox.changed.wait_while(self.inbox.lock(), waits);
        !waited.unwrap_or_else(PoisonError::into_inner).is_over
    }

    pub(super) fn is_served(&self) -> bool {
        self.inbox.lock().is_served
    }

    /// Records whether a worker serves the step.
    pub(super) fn set_served(&self, yes: bool) {
        self.inbox.lock().is_served = yes;
        self.inbox.changed.notify_all();
    }

    /// Starts workers if the run starts its own and some are missing.
    pub(super) fn ensure_workers(&self) -> Result<(), Failure> {
        // After the end of the step no workers are started: `end` takes `requests` under this lock.
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.as_ref().map_or(Ok(()), |_| self.chunks.ensure_workers(&self.step))
    }

    /// Shows the user a message about the step.
    pub(super) fn tell(&self, what: &str) {
        (self.tell)(what);
    }

    /// Ends all waits, because the step has ended.
    pub(super) fn end(&self) {
        let mut state = self.inbox.lock();
        state.is_over = true;
        state.replies.clear();
        drop(state);
        self.inbox.changed.notify_all();
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = requests.take();
        self.chunks.release(&self.step);
        drop(requests);
        // Dropping the requests may take the carrier some time, so the lock is released first.
        drop(taken);
    }
}

/// Returns whether a manager has signed the request with that secret.
pub(crate) fn is_of_the_manager(request: &[u8], secret: &Secret) -> bool {
    secret.has_signed(signed::Sender::Manager, request)
}
