//! A worker's side: opens the processors of a step, and processes the chunks that a manager sends.

use std::fmt;

use super::super::messages::{Buffers, ChunkEnd, Faulty, ProcessedChunk, ReadChunk};
use super::super::shared_state::SharedState;
use super::super::sync::Arc;
use super::super::worker::{open_processor, process};
use super::codec;
use super::failure::SentFailure;
use super::item_codec::{RemoteItemBounds, compare, pack, unpack};
use super::messages::{Answer, Ask, ChunkHead, ChunkResult, Fatal, SentFault, SentRepeated, StepKey};
use super::signed::{Secret, Sender, begin};
use crate::definition::{
    Binding, Environment, Failure, FaultRules, Phase, Pipe, Scope, StepContext, StepInfo, StopSignal,
};
use crate::engine::chunk::batch::Repeated;
use crate::engine::faults::retry::Retrying;
use crate::repository::SkipPhase;

/// The code that processes a step's chunks in a worker. The step's options hold it.
#[derive(Clone, Copy)]
pub struct RemoteStep {
    /// Processes the chunks of requests until there are no more.
    pub(crate) serve: fn(&mut OpenStep<'_>),
}

impl RemoteStep {
    /// The code for the chunks of a pipe.
    #[must_use]
    pub const fn of<P: Pipe<In: RemoteItemBounds, Out: RemoteItemBounds>>() -> Self {
        Self { serve: serve::<P> }
    }
}

impl fmt::Debug for RemoteStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteStep").finish_non_exhaustive()
    }
}

/// A step that is open in a worker.
pub(crate) struct OpenStep<'s> {
    state: Arc<SharedState<'s>>,
    key: StepKey,
    secret: Secret,
    longest: usize,
    /// The name of the worker, for messages.
    name: String,
    /// Waits for the next request; `None` if the step must be closed.
    next: &'s mut dyn FnMut() -> Option<(Ask, Vec<u8>)>,
    /// Receives the result of the request.
    served: &'s mut dyn FnMut(RequestOutcome),
}

/// The result of a request.
pub(crate) enum RequestOutcome {
    /// The answer.
    Answer(Vec<u8>),
    /// The processors cannot be opened, for this reason.
    Refused(String),
    /// A stop interrupted the request. Another worker, or the manager, must process it.
    Interrupted,
}

/// The surroundings in which a worker opens a step.
pub(crate) struct StepPlace<'s> {
    pub(crate) info: &'static StepInfo,
    pub(crate) bindings: Vec<&'s [Binding]>,
    pub(crate) environment: &'s Environment,
    pub(crate) context: StepContext,
    pub(crate) retrying: Retrying,
    pub(crate) stop: StopSignal,
}

impl<'s> OpenStep<'s> {
    pub(crate) fn new(
        at: StepPlace<'s>,
        (key, secret, longest, name): (StepKey, Secret, usize, String),
        next: &'s mut dyn FnMut() -> Option<(Ask, Vec<u8>)>,
        served: &'s mut dyn FnMut(RequestOutcome),
    ) -> Self {
        let StepPlace { info, bindings, environment, context, retrying, stop } = at;
        let state = SharedState {
            info,
            // The manager decides where chunks end.
            chunk: usize::MAX,
            environment,
            context: Arc::new(context),
            retrying,
            // The manager does not receive these times.
            lanes: Arc::default(),
            bindings,
            cancelled: Arc::default(),
            give_up: stop,
            wake_lanes: None,
            remote: None,
        };
        Self { state: Arc::new(state), key, secret, longest, name, next, served }
    }

    fn reply(&self, answer: &Answer) -> Result<Vec<u8>, Failure> {
        reply(self.key, answer)
    }

    fn send(&mut self, message: Vec<u8>) {
        (self.served)(RequestOutcome::Answer(self.secret.sign(Sender::Worker, message)));
    }

    /// Returns whether a processor has put a value into a context. The value would be lost, because a worker's
    /// contexts are not saved.
    fn has_put(&self) -> bool {
        self.state.context.values.changed() || self.state.environment.job.values.changed()
    }
}

/// Begins a reply.
fn reply(key: StepKey, answer: &Answer) -> Result<Vec<u8>, Failure> {
    let mut message = begin();
    codec::write(&mut message, &key)
        .and_then(|()| codec::write(&mut message, answer))
        .map_err(Failure::new)?;
    Ok(message)
}

/// A signed reply without items.
pub(crate) fn short_reply(key: StepKey, secret: &Secret, answer: &Answer) -> Option<Vec<u8>> {
    Some(secret.sign(Sender::Worker, reply(key, answer).ok()?))
}

fn serve<P: Pipe<In: RemoteItemBounds, Out: RemoteItemBounds>>(serving: &mut OpenStep<'_>) {
    let state = Arc::clone(&serving.state);
    let own = state.own();
    let scope = Scope::of_thread(state.environment, &own, state.bindings.clone());
    let mut open = None;
    let mut is_compared = false;
    while let Some((ask, items)) = (serving.next)() {
        let opened = match open.take() {
            Some(opened) => Ok(opened),
            None => open_processor::<P>(state.info, &scope),
        };
        let processor = match opened {
            Ok(processor) => processor,
            Err(failure) => {
                (serving.served)(RequestOutcome::Refused(failure.to_string()));
                continue;
            }
        };
        let Ask::Chunk(head) = ask else {
            open = Some(processor);
            let ready = serving.reply(&Answer::Ready(serving.name.clone()));
            ready.map_or_else(|_| (), |message| serving.send(message));
            continue;
        };
        let number = head.number;
        let worked = unpack::<P::In>(&items).map(|records| {
            let read_chunk = read_chunk::<P>(head.clone(), records);
            if head.careful {
                process::<_, _, true>(&state, 0, read_chunk, processor, &mut None)
            } else {
                process::<_, _, false>(&state, 0, read_chunk, processor, &mut None)
            }
        });
        let answered = worked.and_then(|(done, after)| {
            open = after;
            if serving.has_put() {
                return Err(Failure::new(
                    "a processor has put a value into a context, and a worker's contexts are not saved: return \
                     the value in an item instead, or drop `remote`",
                )
                .fatal());
            }
            let outputs = &done.buffers.outputs.items;
            if !is_compared && !outputs.is_empty() {
                is_compared = true;
                compare(outputs)?;
            }
            let Some(result) = result(&done, state.info.options.faults) else { return Ok(None) };
            let mut message = serving.reply(&Answer::Chunk(Box::new(result)))?;
            pack(&mut message, outputs)?;
            if message.len() > serving.longest {
                return Err(Failure::new(format!(
                    "the {} output items of a chunk are {} bytes long, and at most {} can be sent back: lower `chunk`",
                    outputs.len(),
                    message.len(),
                    serving.longest
                ))
                .fatal());
            }
            Ok(Some(message))
        });
        match answered {
            Ok(Some(message)) => serving.send(message),
            Ok(None) => (serving.served)(RequestOutcome::Interrupted),
            Err(failure) => {
                let failure = failure.during(Phase::Process);
                let failed = failed(number, &failure, state.info.options.faults);
                let message = serving.reply(&Answer::Chunk(Box::new(failed))).and_then(|mut message| {
                    pack::<P::Out>(&mut message, &[])?;
                    Ok(message)
                });
                message.map_or_else(|_| (), |message| serving.send(message));
            }
        }
    }
}

/// Stands in for the failure of a record that the manager could not read.
#[derive(Debug)]
struct Unread;

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("could not be read")
    }
}

impl std::error::Error for Unread {}

fn read_chunk<P: Pipe>(head: ChunkHead, records: Vec<P::In>) -> ReadChunk<P::In, P::Out> {
    let ChunkHead { number, unread, is_fatal, .. } = head;
    let unread = unread.into_iter().map(|before| (before, Failure::new(Unread))).collect();
    let buffers = Buffers { records, unread, ..Buffers::new() };
    let end = ChunkEnd { fatal: is_fatal.then(|| Failure::new(Unread)), ..ChunkEnd::default() };
    ReadChunk { number, buffers, end }
}

/// The chunk as it is sent; `None` if a stop interrupted it.
fn result<In, Out>(done: &ProcessedChunk<In, Out>, rules: &FaultRules) -> Option<ChunkResult> {
    let ProcessedChunk { number, buffers, filled, faults, repeated, end, .. } = done;
    let sent = |failure: &Failure| SentFailure::of(failure, rules);
    let is_interrupted =
        faults.iter().map(|faulty| &faulty.failure).chain(&end.fatal).any(Failure::is_interrupted);
    if is_interrupted {
        return None;
    }
    let faults = faults.iter().map(|Faulty { phase, source, failure, item }| SentFault {
        source: *source,
        failure: (*phase != SkipPhase::Read).then(|| sent(failure)),
        is_held: item.is_some(),
    });
    let repeated = repeated.iter().map(|Repeated { source, attempts, item }| SentRepeated {
        source: *source,
        attempts: attempts.iter().map(|(failure, retry)| (sent(failure), *retry)).collect(),
        is_held: item.is_some(),
    });
    Some(ChunkResult {
        number: *number,
        read: filled.read,
        filtered: filled.filtered,
        records: filled.records,
        skipped: filled.skipped,
        sources: buffers.outputs.sources.clone(),
        faults: faults.collect(),
        repeated: repeated.collect(),
        fatal: end.fatal.as_ref().map(|failure| match failure.find::<Unread>() {
            Some(_) => Fatal::InReading,
            None => Fatal::InProcessing(sent(failure)),
        }),
        panicked_on: end.panicked_on,
    })
}

/// The result of a chunk that failed as a whole.
fn failed(number: u64, failure: &Failure, rules: &FaultRules) -> ChunkResult {
    ChunkResult {
        number,
        fatal: Some(Fatal::InProcessing(SentFailure::of(failure, rules))),
        ..ChunkResult::default()
    }
}
