//! Sends chunks of a step with `remote` to workers in other processes. The step's own threads process chunks too.
//!
//! The step has extra lanes, whose chunks the workers process. The records of a chunk go to a worker in a message, and
//! the reply contains what a worker thread would have handed to the step's thread ([`lane`]). The order, the rules for
//! faults, the commits and the positions are the same in both cases. The worker runs the same code over the records as
//! a worker thread ([`serve`]).
//!
//! Messages may be lost, duplicated, delayed or forged. A result counts once, and only if it is signed with the name of
//! the execution's owner, which only the repository reveals ([`signed`]). A chunk whose message stays unanswered is
//! sent again, and is processed here if no worker answers.

mod codec;
mod exchange;
mod failure;
mod item_codec;
mod lane;
mod late_chunks;
mod losses;
mod messages;
pub(crate) mod run;
mod serve;
mod shape;
mod signed;
#[cfg(test)]
mod tests;

use std::thread::Scope;

use super::extra_lanes::{ExtraLanes, LaneEnd};
use super::read_chunks::Supply;
use super::shared_state::SharedState;
use super::sync::Arc;
use super::{named, not_started};
use crate::definition::{Phase, Pipe};
use crate::engine::step::{Halt, StepRun};
use crate::observe::spans::carried;
use exchange::Exchange;
use lane::Lanes;

pub(crate) use exchange::is_of_the_manager;
pub use item_codec::{RemoteItem, RemoteItemBounds};
pub(crate) use messages::{Answer, Ask, StepHead, StepKey, asked, key_of};
pub use serve::RemoteStep;
pub(crate) use serve::{OpenStep, RequestOutcome, StepPlace, short_reply};
pub(crate) use signed::Secret;

/// Workers in other processes, if the run has a carrier to them.
#[derive(Debug)]
pub(crate) enum Workers {}

impl<P: Pipe<In: RemoteItemBounds, Out: RemoteItemBounds>> ExtraLanes<P> for Workers {
    type Connection = Arc<Exchange>;

    fn open(run: &StepRun<'_>) -> Result<Option<Arc<Exchange>>, Halt> {
        let Some(remote) = &run.remote else { return Ok(None) };
        let exchange = Exchange::open(run, remote);
        exchange
            .map(|exchange| Some(Arc::new(exchange)))
            .map_err(|failure| Halt::Failed(failure.during(Phase::Open)))
    }

    fn waker(connection: &Arc<Exchange>) -> Option<Box<dyn Fn() + Send + Sync>> {
        let exchange = Arc::clone(connection);
        Some(Box::new(move || exchange.end()))
    }

    fn spawn<'scope, 'env: 'scope, X, S, const CAREFUL: bool>(
        connection: &Arc<Exchange>,
        threads: &'scope Scope<'scope, 'env>,
        state: &Arc<SharedState<'env>>,
        ends: Vec<LaneEnd<P, X, S>>,
    ) -> Result<(), Halt>
    where
        X: Send + 'scope,
        S: Supply<P::In, P::Out, X> + Send + 'scope,
        P::In: 'scope,
        P::Out: 'scope,
    {
        let Some((first, _)) = ends.first() else { return Ok(()) };
        let lanes = Arc::new(Lanes::new(state, connection, first, CAREFUL));
        for (number, (channel, supply)) in ends.into_iter().enumerate() {
            let (sends, receives) = (Arc::clone(&lanes), Arc::clone(&lanes));
            named(state.info, "sender")
                .spawn_scoped(threads, carried(move || sends.send_all(&channel, supply)))
                .map_err(not_started)?;
            named(state.info, "taker")
                .spawn_scoped(threads, carried(move || receives.receive_all::<P, CAREFUL>(number == 0)))
                .map_err(not_started)?;
        }
        Ok(())
    }
}
