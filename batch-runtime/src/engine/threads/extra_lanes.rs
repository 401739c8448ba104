//! The interface for processing chunks of a step elsewhere, in addition to its threads. Each chunk that is processed
//! elsewhere passes through a lane, as a chunk of a worker thread does.

use std::thread::Scope;

use super::messages::WorkerChannel;
use super::read_chunks::Supply;
use super::shared_state::SharedState;
use super::sync::Arc;
use crate::definition::Pipe;
use crate::engine::step::{Halt, StepRun};

/// The end of the channels that a lane holds, and the lane's supply of chunks.
pub(crate) type LaneEnd<P, X, S> = (WorkerChannel<<P as Pipe>::In, <P as Pipe>::Out, X>, S);

/// Sends chunks of the pipe `P` elsewhere to be processed, in addition to the threads of its step.
pub(crate) trait ExtraLanes<P: Pipe> {
    /// The connection to the place where the chunks are processed.
    type Connection;

    /// Opens the connection; `None` if only the step's threads process chunks.
    fn open(run: &StepRun<'_>) -> Result<Option<Self::Connection>, Halt>;

    /// Returns the function that wakes the lanes that wait for processed chunks.
    fn waker(connection: &Self::Connection) -> Option<Box<dyn Fn() + Send + Sync>>;

    /// Spawns a lane for each of these ends.
    fn spawn<'scope, 'env: 'scope, X, S, const CAREFUL: bool>(
        connection: &Self::Connection,
        threads: &'scope Scope<'scope, 'env>,
        state: &Arc<SharedState<'env>>,
        ends: Vec<LaneEnd<P, X, S>>,
    ) -> Result<(), Halt>
    where
        X: Send + 'scope,
        S: Supply<P::In, P::Out, X> + Send + 'scope,
        P::In: 'scope,
        P::Out: 'scope;
}

/// No extra lanes: only the threads of the step process chunks.
#[derive(Debug)]
pub(crate) enum NoExtraLanes {}

impl<P: Pipe> ExtraLanes<P> for NoExtraLanes {
    type Connection = Self;

    fn open(_: &StepRun<'_>) -> Result<Option<Self>, Halt> {
        Ok(None)
    }

    fn waker(connection: &Self) -> Option<Box<dyn Fn() + Send + Sync>> {
        match *connection {}
    }

    fn spawn<'scope, 'env: 'scope, X, S, const CAREFUL: bool>(
        connection: &Self,
        _: &'scope Scope<'scope, 'env>,
        _: &Arc<SharedState<'env>>,
        _: Vec<LaneEnd<P, X, S>>,
    ) -> Result<(), Halt>
    where
        X: Send + 'scope,
        S: Supply<P::In, P::Out, X> + Send + 'scope,
        P::In: 'scope,
        P::Out: 'scope,
    {
        match *connection {}
    }
}
