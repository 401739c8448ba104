//! The state that all threads of a step share.

use super::sync::{Arc, AtomicBool, Ordering};
use crate::definition::{
    Binding, Environment, Failure, Phase, Reader, StepContext, StepEnvironment, StepInfo, StopSignal,
};
use crate::engine::faults::reopen::read_failure;
use crate::engine::faults::retry::Retrying;
use crate::engine::profile::{Detail, Lanes};
use crate::engine::step::{StepRun, blame};
#[cfg(feature = "remote-chunks")]
use crate::engine::threads::remote::run::RemoteRun;

/// The state that all threads of a step share.
pub(crate) struct SharedState<'s> {
    pub(super) info: &'static StepInfo,
    /// The `chunk` of the step: the number of items in a chunk.
    pub(super) chunk: usize,
    pub(super) environment: &'s Environment,
    pub(super) context: Arc<StepContext>,
    pub(super) retrying: Retrying,
    /// Each thread records here where its time went.
    pub(super) lanes: Arc<Lanes>,
    pub(super) bindings: Vec<&'s [Binding]>,
    /// True once the step's thread takes no more chunks.
    pub(super) cancelled: Arc<AtomicBool>,
    /// Ends the backoffs between retries.
    pub(super) give_up: StopSignal,
    /// Wakes the lanes that wait for chunks from workers in other processes.
    pub(super) wake_lanes: Option<Box<dyn Fn() + Send + Sync>>,
    /// The parts of the run that these lanes need.
    #[cfg(feature = "remote-chunks")]
    pub(super) remote: Option<&'s RemoteRun<'s>>,
}

impl SharedState<'_> {
    pub(super) fn own(&self) -> StepEnvironment {
        StepEnvironment::on_thread(Arc::clone(&self.context), self.retrying.clone(), Arc::clone(&self.lanes))
    }

    /// Wakes the lanes that wait for chunks from workers in other processes, because the step needs no more chunks.
    pub(super) fn wake_lanes(&self) {
        if let Some(wake) = &self.wake_lanes {
            wake();
        }
    }

    /// Returns how closely a thread measures the next chunk. Only the step's thread writes, so there are no writers
    /// to tell apart.
    pub(super) fn detail(&self) -> Detail {
        Detail { items: self.chunk, writers: false }
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    pub(super) fn blame(&self, failure: Failure, phase: Phase) -> Failure {
        blame(self.info, failure, phase)
    }

    /// Returns the failure of a read, and whether the reader steps over its record.
    pub(super) fn read_failure<R: Reader>(&self, error: R::Error, reader: &R) -> (Failure, bool) {
        let (failure, steps_over) = read_failure(error, reader, self.info.options.faults);
        (self.blame(failure, Phase::Read), steps_over)
    }
}

impl<'s> SharedState<'s> {
    pub(super) fn of(
        run: &'s StepRun<'_>,
        cancelled: Arc<AtomicBool>,
        wake_lanes: Option<Box<dyn Fn() + Send + Sync>>,
    ) -> Arc<Self> {
        let (retrying, give_up) = run.retrying().given_up_by();
        Arc::new(Self {
            info: run.info,
            chunk: run.sizes.chunk,
            environment: run.environment,
            context: Arc::clone(run.own.context.as_ref().expect("a step runs with its context")),
            retrying,
            lanes: Arc::clone(&run.own.lanes),
            bindings: run.scope.bindings().to_vec(),
            cancelled,
            give_up,
            wake_lanes,
            #[cfg(feature = "remote-chunks")]
            remote: run.remote.as_ref(),
        })
    }
}
