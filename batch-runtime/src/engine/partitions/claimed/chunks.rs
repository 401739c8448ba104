//! Opens the processors of a step in a worker, from the rows of its execution alone.

use std::sync::Arc;
use std::time::Duration;

use super::ClaimedRunner;
use crate::definition::{ExecutionId, InstanceId, JobInfo, StepContext, StepExecutionId, StopSignal, Values};
use crate::engine::faults::panic;
use crate::engine::faults::retry::Retrying;
use crate::engine::remote::{Ask, OpenStep, RequestOutcome, Secret, StepHead, StepKey, StepPlace};
use crate::observe::spans;
use crate::repository::{ContextMap, Ownership, RepositoryError, decode_context};

impl ClaimedRunner {
    /// The jobs of the program, with those that are nested in them.
    pub(crate) fn jobs(&self) -> impl Iterator<Item = &'static JobInfo> {
        self.jobs.values().copied()
    }

    /// Processes the chunks of a step until there are no more. `parts` are the step, the secret of its messages, their
    /// maximum length, and the name of the worker.
    ///
    /// # Errors
    /// If this process cannot process chunks of that step; the error says why.
    pub(crate) fn serve(
        &self,
        head: &StepHead,
        parts: (StepKey, Secret, usize, String),
        drain: &StopSignal,
        next: &mut dyn FnMut() -> Option<(Ask, Vec<u8>)>,
        served: &mut dyn FnMut(RequestOutcome),
    ) -> Result<(), String> {
        let opened = panic::catch(|| self.serve_uncaught(head, parts, drain, next, served));
        match opened {
            Ok(Ok(served)) => served,
            Ok(Err(error)) => Err(error.to_string()),
            Err(panicked) => Err(panicked.to_string()),
        }
    }

    fn serve_uncaught(
        &self,
        head: &StepHead,
        parts: (StepKey, Secret, usize, String),
        drain: &StopSignal,
        next: &mut dyn FnMut() -> Option<(Ask, Vec<u8>)>,
        served: &mut dyn FnMut(RequestOutcome),
    ) -> Result<Result<(), String>, RepositoryError> {
        let key = parts.0;
        let ownership = Ownership {
            instance: InstanceId(key.instance),
            execution: ExecutionId(key.execution),
            epoch: key.epoch,
        };
        let _job = spans::job(&head.job, ownership);
        let _step = spans::step(&head.path);
        spans::step_has_begun(StepExecutionId(key.id));
        let known = match self.known(ownership, &head.job)? {
            Ok(known) => known,
            Err(why) => return Ok(Err(why)),
        };
        let step = match self.step(&known, &head.path, |info| info.options.remote.is_some())? {
            Ok(step) => step,
            Err(why) => return Ok(Err(why)),
        };
        let Some(remote) = step.info.options.remote else {
            return Ok(Err(format!("step `{}` has no `remote`", head.path)));
        };
        let (of_step, of_job) = match contexts(head) {
            Ok(contexts) => contexts,
            Err(why) => return Ok(Err(why)),
        };
        let environment = known.environment.with(drain, Values::new(of_job));
        let retrying = Retrying::new(&step.info.options, Arc::clone(&self.options.pause), drain.clone());
        let at = StepPlace {
            info: step.info,
            bindings: step.bindings.iter().map(|bindings| &**bindings).collect(),
            environment: &environment,
            context: StepContext {
                step: head.path.clone(),
                id: StepExecutionId(key.id),
                execution: ownership.execution,
                starts: head.starts,
                stop: drain.clone(),
                values: Values::new(of_step),
            },
            retrying: retrying.begun_before(Duration::from_millis(head.age)),
            stop: drain.clone(),
        };
        (remote.serve)(&mut OpenStep::new(at, parts, next, served));
        Ok(Ok(()))
    }
}

/// The contexts of the step and of the job.
fn contexts(head: &StepHead) -> Result<(ContextMap, ContextMap), String> {
    let Some((step, job)) = &head.values else { return Ok((ContextMap::new(), ContextMap::new())) };
    Ok((decode_context(step)?, decode_context(job)?))
}
