//! Runs a tasklet: each call is in a transaction that also commits the tasklet's state and whether it is done.

use std::cell::Cell;

use crate::definition::{ChunkTransaction, Failure, Phase, States, StepListener as _, Tasklet, TaskletCall};
use crate::engine::chunk::checkpoint::{Checkpoint, TaskletDone};
use crate::engine::chunk::shared::halt;
use crate::engine::faults::panic;
use crate::engine::step::{Halt, MAX_AGAIN, Moments, StepEnd, StepOutcome, StepRun};
use crate::observe::frames;
use crate::repository::{ChunkError, ChunkRecord, Counters};

/// Runs a tasklet.
pub fn run_tasklet<T: Tasklet>(run: &StepRun<'_>) -> StepEnd {
    let counters = Cell::new(Counters::default());
    let result = panic::catch(|| frames::in_step::<T, _>(|| with_listener::<T>(run, &counters)))
        .unwrap_or_else(|panicked| Err(Halt::Failed(run.blame(panicked, Phase::Tasklet))));
    let mut counters = counters.get();
    if matches!(result, Err(Halt::Failed(_))) {
        counters.rollback += 1;
    }
    StepEnd { result, counters, profile: None }
}

/// Runs the tasklet between the calls of its listeners.
fn with_listener<T: Tasklet>(run: &StepRun<'_>, counters: &Cell<Counters>) -> Result<StepOutcome, Halt> {
    let mut listener = T::listener(&run.scope).map_err(Halt::Failed)?;
    listener.before_step().map_err(Halt::Failed)?;
    let result = panic::catch(|| drive::<T>(run, counters))
        .unwrap_or_else(|panicked| Err(Halt::Failed(run.blame(panicked, Phase::Tasklet))));
    let failure = match &result {
        Err(halt) if halt.is_fenced() => return result,
        Err(Halt::Failed(failure)) => Some(failure),
        _ => None,
    };
    let notified = panic::catch(|| listener.after_step(&counters.get(), failure)).unwrap_or_else(Err);
    if let Err(failure) = notified {
        tracing::warn!(%failure, "a listener failed; the result of the step is unchanged");
    }
    result
}

/// Fails if the `match` no longer has the arm that the earlier execution took.
fn has_arm(run: &StepRun<'_>, arm: Option<&str>) -> Result<(), Failure> {
    let Some(route) = run.route else { return Ok(()) };
    if route.arms.iter().any(|now| Some(now.label) == arm) {
        return Ok(());
    }
    let taken = match arm {
        Some(arm) => format!("where it took the arm `{arm}`, which is no longer there"),
        None => "when it was not yet the subject of a `match`".to_owned(),
    };
    Err(Failure::new(format!(
        "it completed its work in an earlier execution, {taken}; finish the instance with the program it began with, or start a new one with `--next`"
    )))
}

fn drive<T: Tasklet>(run: &StepRun<'_>, counters: &Cell<Counters>) -> Result<StepOutcome, Halt> {
    let failed = |failure: Failure| halt(run.blame(failure, Phase::Tasklet));
    // An earlier execution committed the tasklet's transaction but not the end of the step, so the tasklet is not
    // called again.
    if let Some(TaskletDone { arm, output, exit }) = run.inherited.tasklet.clone() {
        return has_arm(run, arm.as_deref()).map(|()| StepOutcome { arm, output, exit }).map_err(failed);
    }
    let name = run.info.name;
    // The states of the last commit: if the database loses a transaction, the repeated call begins with them.
    let mut states = run.inherited.states.clone();
    let mut state: T::State = states.clone().of_only(name).map_err(failed)?;
    let mut record = ChunkRecord::default();
    loop {
        if run.is_stopping() {
            return Err(Halt::Stopped);
        }
        run.check_time()?;
        let outside = if T::TRANSACTIONAL {
            None
        } else {
            let call = T::call(&run.scope, &ChunkTransaction::none(), &mut state).map_err(failed)?;
            Some(Called::of::<T>(run, call, &state).map_err(Halt::Failed)?)
        };
        let began = run.now();
        let mut again = 0;
        let (stored, held, called) = loop {
            let mut next = counters.get();
            next.commit += 1;
            record.counters = next;
            let (mut called, mut held) = (None, Moments::default());
            let committed = run.store.borrow_mut().commit(&mut record, |tx, record| {
                let call = if let Some(call) = &outside {
                    call.clone()
                } else {
                    let call = T::call(&run.scope, tx, &mut state)
                        .map_err(|failure| run.blame(failure, Phase::Tasklet))?;
                    Called::of::<T>(run, call, &state)?
                };
                held = run.add_contexts(call.checkpoint(), record)?;
                called = Some(call);
                Ok(())
            });
            match committed {
                Err(ChunkError::Again(failure)) if again < MAX_AGAIN && !run.is_stopping() => {
                    again += 1;
                    next = counters.get();
                    next.rollback += 1;
                    counters.set(next);
                    if T::TRANSACTIONAL {
                        run.take_back(began);
                        state = states.clone().of_only(name).map_err(failed)?;
                    }
                    tracing::warn!(%failure, "the database lost a tasklet's transaction; the transaction is repeated");
                }
                committed => {
                    let stored = committed?;
                    counters.set(next);
                    break (stored, held, called);
                }
            }
        };
        run.settle(held, stored);
        run.live.show(&counters.get(), None);
        if let Some(Called { states: kept, done }) = called {
            states = kept;
            if let Some(done) = done {
                return Ok(done);
            }
        }
        if stored.stop_requested {
            run.environment.job.stop.raise();
        }
    }
}

/// A call of a tasklet, as it is committed.
#[derive(Clone)]
struct Called {
    states: States,
    /// The outcome, if the tasklet is done.
    done: Option<StepOutcome>,
}

impl Called {
    fn of<T: Tasklet>(
        run: &StepRun<'_>,
        call: TaskletCall<T::Value>,
        state: &T::State,
    ) -> Result<Self, Failure> {
        let mut states = States::new();
        if size_of::<T::State>() > 0 {
            states.save(run.info.name, state)?;
        }
        let (value, exit) = match call {
            TaskletCall::Done(value) => (value, None),
            TaskletCall::Exited(exit, value) => (value, Some(exit.0)),
            TaskletCall::Again => return Ok(Self { states, done: None }),
        };
        let output = T::output(&value)?;
        let arm = run.route.map(|route| route.label(Box::new(value)).to_owned());
        Ok(Self { states, done: Some(StepOutcome { arm, output, exit }) })
    }

    fn checkpoint(&self) -> Checkpoint {
        let done = self.done.clone();
        let tasklet = done.map(|StepOutcome { arm, output, exit }| TaskletDone { arm, output, exit });
        Checkpoint { states: self.states.clone(), tasklet, ..Checkpoint::default() }
    }
}
