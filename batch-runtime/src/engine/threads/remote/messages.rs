//! The messages between a manager and the workers that process its chunks.

use serde::{Deserialize, Serialize};

use super::codec;
use super::failure::SentFailure;
use super::signed::body;

/// The version of these messages.
pub(crate) const PROTOCOL: u32 = 2;

/// The step that a message is about. Every message begins with this key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct StepKey {
    pub(crate) protocol: u32,
    pub(crate) instance: i64,
    pub(crate) execution: i64,
    pub(crate) epoch: u64,
    pub(crate) id: i64,
}

/// The information that a worker needs to open the processors of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StepHead {
    /// The hash of the manager's executable.
    pub(crate) build: String,
    pub(crate) job: String,
    /// The place of the step in the job.
    pub(crate) path: String,
    pub(crate) starts: u32,
    /// How long ago the step began, in milliseconds.
    pub(crate) age: u64,
    /// The values in the contexts of the step and of the job when it began, as JSON.
    pub(crate) values: Option<(String, String)>,
    /// How often a worker says that it is still working on a chunk, in milliseconds.
    pub(crate) sign_every: u64,
}

/// A manager's question, after the key and the head.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Ask {
    /// Asks whether a worker can process chunks of the step.
    Ready,
    /// Asks a worker to process the items that follow.
    Chunk(ChunkHead),
}

/// A chunk that is sent to a worker, without its items.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ChunkHead {
    pub(crate) number: u64,
    /// The position of the request among all requests of the step.
    pub(crate) turn: u64,
    /// Whether the worker must tell single items apart: the value of `CAREFUL`, which the module `threads` explains.
    pub(crate) careful: bool,
    /// For each record that could not be read, the number of items before it.
    pub(crate) unread: Vec<usize>,
    /// Whether nothing could be read after the last of these items, so that the step fails after this chunk.
    pub(crate) is_fatal: bool,
}

/// A worker's answer, after the key.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// The worker with this name can process chunks of the step.
    Ready(String),
    /// The worker works on a chunk.
    Begun {
        number: u64,
        /// The turn of the request.
        turn: u64,
        /// The number of the worker in the repository. The repository records whether the worker lives.
        worker: i64,
    },
    /// The worker has not processed a chunk that it had begun, and never will.
    GivenBack { number: u64, worker: i64 },
    /// The worker cannot process chunks of the step. If it was asked to process one, it has not done so.
    Refused { number: Option<u64>, worker: i64, why: String },
    /// The result of a chunk. The outputs follow it.
    Chunk(Box<ChunkResult>),
}

/// A processed chunk without its outputs.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct ChunkResult {
    pub(crate) number: u64,
    pub(crate) read: u64,
    pub(crate) filtered: u64,
    pub(crate) records: u32,
    pub(crate) skipped: u64,
    /// For each output, the record that it stems from; empty if items are not told apart.
    pub(crate) sources: Vec<u32>,
    pub(crate) faults: Vec<SentFault>,
    pub(crate) repeated: Vec<SentRepeated>,
    pub(crate) fatal: Option<Fatal>,
    /// The record that a processor panicked on.
    pub(crate) panicked_on: Option<u32>,
}

/// Why the step cannot go on after a chunk.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Fatal {
    /// Reading could not go on; the manager knows why.
    InReading,
    InProcessing(SentFailure),
}

/// A record that could not be read or processed.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SentFault {
    pub(crate) source: u32,
    /// `None` if the record could not be read, because the manager then knows the failure.
    pub(crate) failure: Option<SentFailure>,
    /// Whether the processors left the item intact, so that the manager can show it.
    pub(crate) is_held: bool,
}

/// The calls for one record that were retried.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SentRepeated {
    pub(crate) source: u32,
    pub(crate) attempts: Vec<(SentFailure, u32)>,
    pub(crate) is_held: bool,
}

/// Returns the step that a message is about. The step determines the secret with which the message must be signed.
/// `None` if the message is not of this version.
pub(crate) fn key_of(message: &[u8]) -> Option<StepKey> {
    codec::read(&mut body(message)).ok().filter(|key: &StepKey| key.protocol == PROTOCOL)
}

/// Splits a request into its head, its question and the items, which are still encoded.
pub(crate) fn asked(message: &[u8]) -> Option<(StepHead, Ask, &[u8])> {
    let mut rest = body(message);
    let _: StepKey = codec::read(&mut rest).ok()?;
    Some((codec::read(&mut rest).ok()?, codec::read(&mut rest).ok()?, rest))
}

/// Splits a reply into its answer and the outputs, which are still encoded.
pub(super) fn answered(message: &[u8]) -> Option<(Answer, &[u8])> {
    let mut rest = body(message);
    let _: StepKey = codec::read(&mut rest).ok()?;
    Some((codec::read(&mut rest).ok()?, rest))
}
