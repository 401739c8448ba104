//! Runs a tasklet: each call is in a transaction that also commits the tasklet's state and whether it is done.

use std::cell::Cell;

use crate::definition::{ChunkTransaction, Failure, Phase, StepListener as _, Tasklet, TaskletCall};
use crate::engine::chunk::checkpoint::{Checkpoint, TaskletDone};
use crate::engine::faults::panic;
use crate::engine::step::{Done, Halt, StepEnd, StepRun};
use crate::repository::{ChunkRecord, Counters};

/// Runs a tasklet.
pub fn run_tasklet<T: Tasklet>(run: &StepRun<'_>) -> StepEnd {
    let counters = Cell::new(Counters::default());
    let result = panic::catch(|| with_listener::<T>(run, &counters))
        .unwrap_or_else(|panicked| Err(Halt::Failed(run.blame(panicked, Phase::Tasklet))));
    let mut counters = counters.get();
    if matches!(result, Err(Halt::Failed(_))) {
        counters.rollback += 1;
    }
    StepEnd { result, counters, profile: None }
}

/// Runs the tasklet between the calls of its listeners.
fn with_listener<T: Tasklet>(run: &StepRun<'_>, counters: &Cell<Counters>) -> Result<Done, Halt> {
    let mut listener = T::listener(&run.scope).map_err(Halt::Failed)?;
    listener.before_step().map_err(Halt::Failed)?;
    let result = panic::catch(|| drive::<T>(run, counters))
        .unwrap_or_else(|panicked| Err(Halt::Failed(run.blame(panicked, Phase::Tasklet))));
    let failure = match &result {
        Err(Halt::Failed(failure)) => Some(failure),
        _ => None,
    };
    let notified = panic::catch(|| listener.after_step(&counters.get(), failure)).unwrap_or_else(Err);
    if let Err(failure) = notified {
        tracing::warn!(step = run.info.name, %failure, "a listener failed; the result of the step is unchanged");
    }
    result
}

/// Fails if the `match` no longer has the arm that took the value of the tasklet.
fn has_arm(run: &StepRun<'_>, arm: Option<&str>) -> Result<(), Failure> {
    let Some(route) = run.route else { return Ok(()) };
    if route.arms.iter().any(|now| Some(now.label) == arm) {
        return Ok(());
    }
    let taken = match arm {
        Some(arm) => format!("took the arm `{arm}`, which is no longer there"),
        None => "was not the subject of a `match`, as it is now".to_owned(),
    };
    Err(Failure::new(format!(
        "it completed its work in an earlier execution, where it {taken}; finish the instance with the program it began with, or start a new one with `--next`"
    )))
}

fn drive<T: Tasklet>(run: &StepRun<'_>, counters: &Cell<Counters>) -> Result<Done, Halt> {
    let failed = |failure: Failure| Halt::Failed(run.blame(failure, Phase::Tasklet));
    // Its transaction was committed and only the end of the step was not, so it is not called again.
    if let Some(TaskletDone { arm, output, exit }) = run.inherited.tasklet.clone() {
        return has_arm(run, arm.as_deref()).map(|()| Done { arm, output, exit }).map_err(failed);
    }
    let name = run.info.name;
    let mut state: T::State = run.inherited.states.clone().of_only(name).map_err(failed)?;
    let mut record = ChunkRecord::default();
    loop {
        if run.is_stopping() {
            return Err(Halt::Stopped);
        }
        run.check_time()?;
        let outside = if T::TRANSACTIONAL {
            None
        } else {
            Some(T::call(&run.scope, &ChunkTransaction::none(), &mut state).map_err(failed)?)
        };
        let mut next = counters.get();
        next.commit += 1;
        record.counters = next;
        let mut done = None;
        let committed = run.store.borrow_mut().commit(&mut record, |tx, record| {
            let call = match outside {
                Some(call) => call,
                None => T::call(&run.scope, tx, &mut state)
                    .map_err(|failure| run.blame(failure, Phase::Tasklet))?,
            };
            let mut checkpoint = Checkpoint::default();
            if size_of::<T::State>() > 0 {
                checkpoint.states.save(name, &state)?;
            }
            let ended = match call {
                TaskletCall::Done(value) => Some((value, None)),
                TaskletCall::Exited(exit, value) => Some((value, Some(exit.0))),
                TaskletCall::Again => None,
            };
            if let Some((value, exit)) = ended {
                let output = T::output(&value)?;
                let arm = run.route.map(|route| route.label(Box::new(value)).to_owned());
                let (stored_arm, stored_output, stored_exit) = (arm.clone(), output.clone(), exit.clone());
                checkpoint.tasklet =
                    Some(TaskletDone { arm: stored_arm, output: stored_output, exit: stored_exit });
                done = Some(Done { arm, output, exit });
            }
            (record.context, record.job_context) = run.contexts(checkpoint)?;
            Ok(())
        })?;
        counters.set(next);
        run.settle();
        run.live.show(&next, None);
        if let Some(done) = done {
            return Ok(done);
        }
        if committed.stop_requested {
            run.environment.job.stop.raise();
        }
    }
}
