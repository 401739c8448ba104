//! Decides what is due now: a pure function of what the repository holds.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{Fire, ScheduledJob};
use crate::definition::{ExecutionId, Missed, OnFailure, Overlap};
use crate::repository::{BatchStatus, FireOutcome, FireRow, FireRun, NewFire, ScheduleRow};

/// With `missed = none`, a time that is this late is missed.
const ON_TIME: Duration = Duration::from_mins(5);
/// The first pause before a failed run is restarted. Each further pause is twice as long.
const FIRST_PAUSE: Duration = Duration::from_mins(1);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_hours(1);

/// The state of a schedule in the repository.
#[derive(Debug, Clone)]
pub struct Held {
    /// The schedule itself.
    pub schedule: ScheduleRow,
    /// The times whose runs are to start, are running or are held, oldest first.
    pub open: Vec<OpenFire>,
    /// Other executions of the job that are running: when each started.
    pub running: Vec<(ExecutionId, Timestamp)>,
}

/// A scheduled time whose run is to start, is running or is held.
#[derive(Debug, Clone)]
pub struct OpenFire {
    /// The time and its run.
    pub row: FireRow,
    /// Whether the process of a running execution is known to be dead.
    pub is_dead: bool,
}

/// The actions to take now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The times that have become due since the last look at the schedule.
    pub new: Vec<NewFire>,
    /// Times that need nothing more.
    pub settled: Vec<(Fire, FireOutcome)>,
    /// The times to run the job for, in this order.
    pub start: Vec<Fire>,
    /// The running execution that a time waits for.
    pub waits_for: Option<ExecutionId>,
    /// The held execution that all later times wait for.
    pub held_by: Option<ExecutionId>,
    /// When the next action is due, if nothing changes until then.
    pub next: Option<Timestamp>,
}

/// The next action for an open time.
enum Needs {
    Start,
    /// A pause until then.
    Pause(Timestamp),
    /// Nothing, while this execution runs.
    Nothing(ExecutionId),
    Settle(FireOutcome),
    /// A person.
    Look(ExecutionId),
}

/// Decides what to do now.
#[must_use]
pub fn due(job: &ScheduledJob, held: &Held, now: Timestamp) -> Plan {
    let mut plan = Plan::default();
    if held.schedule.paused.is_some() {
        return plan;
    }
    plan.new = became_due(job, held.schedule.planned, now);
    let mut open: Vec<OpenFire> = held.open.clone();
    for fire in plan.new.iter().filter(|fire| fire.outcome == FireOutcome::Due) {
        // Another process may have written this time already.
        if !open.iter().any(|open| open.row.scheduled == fire.scheduled) {
            let NewFire { scheduled, time, key, outcome } = fire.clone();
            open.push(OpenFire { row: FireRow { scheduled, time, key, outcome, run: None }, is_dead: false });
        }
    }
    let next = job.times.after(now.max(held.schedule.planned)).next();
    plan.next = next.map(|time| time.instant);

    let mut running = held.running.clone();
    let mut ready = Vec::new();
    let mut waits = None;
    // The oldest held time.
    let mut held_at = None;
    for open in &open {
        match needs(job, open, now) {
            Needs::Settle(outcome) => {
                plan.settled.push((Fire::from(&open.row), outcome));
                if outcome == FireOutcome::Held && held_at.is_none() {
                    held_at = open.row.run.map(|run| (open.row.time, run.execution));
                }
            }
            Needs::Look(execution) => held_at = held_at.or(Some((open.row.time, execution))),
            Needs::Nothing(execution) => {
                running.push((execution, open.row.run.and_then(|run| run.started).unwrap_or(now)));
            }
            Needs::Pause(until) => {
                plan.next = Some(plan.next.map_or(until, |next| next.min(until)));
                waits = waits.or(Some(ready.len()));
            }
            Needs::Start => ready.push(open),
        }
    }
    if let (Some((time, execution)), OnFailure::Hold) = (held_at, job.schedule.on_failure) {
        plan.held_by = Some(execution);
        ready.retain(|open| open.row.time < time);
    }
    match job.schedule.overlap {
        Overlap::Allow => plan.start = ready.iter().map(|open| Fire::from(&open.row)).collect(),
        Overlap::Wait => {
            plan.waits_for = running.first().map(|(execution, _)| *execution);
            // A failed run that waits for its restart comes before the later runs.
            let first = ready.first().filter(|_| running.is_empty() && waits != Some(0));
            plan.start = first.map(|open| Fire::from(&open.row)).into_iter().collect();
        }
        Overlap::Skip => {
            let in_the_way = |time| running.iter().any(|(_, started)| *started <= time);
            let (skipped, left): (Vec<&OpenFire>, Vec<&OpenFire>) =
                ready.into_iter().partition(|open| open.row.run.is_none() && in_the_way(open.row.time));
            plan.settled
                .extend(skipped.into_iter().map(|open| (Fire::from(&open.row), FireOutcome::Skipped)));
            plan.waits_for = running.first().map(|(execution, _)| *execution).filter(|_| !left.is_empty());
            let first = left.first().filter(|_| running.is_empty());
            plan.start = first.map(|open| Fire::from(&open.row)).into_iter().collect();
        }
    }
    plan
}

/// The times after `planned` and up to `now`, each with whether the job is to run for it.
pub(super) fn became_due(job: &ScheduledJob, planned: Timestamp, now: Timestamp) -> Vec<NewFire> {
    let times = job.times.after(planned).take_while(|time| time.instant <= now);
    let ago = |time: Timestamp| now.duration_since(time);
    let mut new: Vec<NewFire> = times
        .map(|time| {
            let is_in_time = match job.schedule.missed {
                Missed::Latest => true,
                Missed::All { within } => ago(time.instant) <= signed(within),
                Missed::None => ago(time.instant) <= signed(ON_TIME),
            };
            let Fire { scheduled, time, key } = job.fire(time);
            let outcome = if is_in_time { FireOutcome::Due } else { FireOutcome::Missed };
            NewFire { scheduled, time, key, outcome }
        })
        .collect();
    if let (Missed::Latest, Some((_, earlier))) = (job.schedule.missed, new.split_last_mut()) {
        for fire in earlier {
            fire.outcome = FireOutcome::Missed;
        }
    }
    new
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

fn needs(job: &ScheduledJob, open: &OpenFire, now: Timestamp) -> Needs {
    let Some(run) = open.row.run else {
        // A held run loses its record only if somebody ends and purges it.
        return if is_held(open) { Needs::Settle(FireOutcome::Done) } else { Needs::Start };
    };
    match run.status {
        BatchStatus::Completed | BatchStatus::Abandoned => Needs::Settle(FireOutcome::Done),
        status if is_held(open) && (open.is_dead || !status.is_running()) => Needs::Look(run.execution),
        BatchStatus::Unknown => Needs::Settle(FireOutcome::Held),
        status if status.is_running() => {
            if open.is_dead {
                Needs::Start
            } else {
                Needs::Nothing(run.execution)
            }
        }
        _ if !job.job.options.restartable => Needs::Settle(FireOutcome::Held),
        // A signal has stopped the run, for example when the machine shut down. A stop by a person holds the time.
        BatchStatus::Stopped => Needs::Start,
        _ if run.failures > job.schedule.restarts => Needs::Settle(FireOutcome::Held),
        _ => match pause_after(run) {
            Some(until) if until > now => Needs::Pause(until),
            _ => Needs::Start,
        },
    }
}

fn is_held(open: &OpenFire) -> bool {
    open.row.outcome == FireOutcome::Held
}

/// The end of the pause after a failure; `None` if the run lost its process, which needs no pause.
fn pause_after(run: FireRun) -> Option<Timestamp> {
    let doublings = run.failures.checked_sub(1)?;
    let pause = FIRST_PAUSE.saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX));
    run.ended?.checked_add(signed(pause.min(LONGEST_PAUSE))).ok()
}
