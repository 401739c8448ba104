//! `schedule list`

use jiff::Timestamp;

use super::document::{Listed, Schedules};
use super::scheduled;
use crate::cli::arguments::Globals;
use crate::cli::console::Console;
use crate::cli::print_json;
use crate::cli::refusal::Refusal;
use crate::cli::repository;
use crate::definition::{ExecutionId, JobInfo, OnFailure};
use crate::observe::table::{Align, Table};
use crate::repository::{Clock as _, FireFilter, FireOutcome, FireRow, Repository, ScheduleRow, SystemClock};
use crate::schedule::{ScheduledJob, ScheduledTime, waiting_for_a_person};

/// The number of next times that are shown.
pub(crate) const NEXT: usize = 3;

/// The state of a schedule in the repository.
#[derive(Default)]
pub(crate) struct ScheduleState {
    pub(crate) row: Option<ScheduleRow>,
    pub(crate) last: Option<FireRow>,
    /// The numbers of waiting, missed, skipped and held times.
    pub(crate) counts: [u64; 4],
    /// The execution that all later times wait for.
    pub(crate) held_by: Option<ExecutionId>,
}

impl ScheduleState {
    pub(crate) fn of(job: &ScheduledJob, repository: &dyn Repository) -> Result<Self, Refusal> {
        let name = job.job.name;
        let last = repository.fires(&FireFilter { limit: Some(1), ..FireFilter::of(name) })?.pop();
        let mut counts = [0; 4];
        let outcomes = [FireOutcome::Due, FireOutcome::Missed, FireOutcome::Skipped];
        for (count, outcome) in counts.iter_mut().zip(outcomes) {
            *count = repository.count_fires(name, outcome)?;
        }
        let held = waiting_for_a_person(repository, name)?;
        counts[3] = held.len() as u64;
        // The oldest one is the first that a person has to look at.
        let held_by = held.last().and_then(|fire| fire.run).map(|run| run.execution);
        let held_by = held_by.filter(|_| job.schedule.on_failure == OnFailure::Hold);
        Ok(Self { row: repository.schedule(name)?, last, counts, held_by })
    }
}

/// `schedule list`
pub(super) fn list(jobs: &[&'static JobInfo], globals: &Globals, console: &Console) -> Result<(), Refusal> {
    let jobs = scheduled(jobs)?;
    let repository = repository::open_if_any(globals.repository.as_deref(), console)?;
    let now = repository.as_ref().map_or_else(|| Ok(SystemClock.now()), |repository| repository.now())?;
    let mut found = Vec::new();
    for job in &jobs {
        found.push(match &repository {
            Some(repository) => ScheduleState::of(job, &**repository)?,
            None => ScheduleState::default(),
        });
    }
    let next = |job: &ScheduledJob| job.times.after(now).take(NEXT).collect::<Vec<_>>();
    if globals.json {
        print_json(&document(&jobs, &found, now), console);
        return Ok(());
    }
    let mut table = Table::new(&[
        ("job", Align::Left),
        ("runs", Align::Left),
        ("zone", Align::Left),
        ("next", Align::Left),
        ("last", Align::Left),
        ("missed", Align::Right),
    ]);
    for (job, found) in jobs.iter().zip(&found) {
        let is_paused = found.row.as_ref().is_some_and(|row| row.paused.is_some());
        let next = if is_paused {
            vec!["paused".to_owned()]
        } else {
            next(job).into_iter().map(format_time).collect()
        };
        let mut cells = vec![
            job.job.name.to_owned(),
            job.times.words(),
            job.schedule.zone.to_owned(),
            String::new(),
            found.last.as_ref().map(describe_last).unwrap_or_default(),
            found.counts[1].to_string(),
        ];
        for time in next {
            cells[3] = time;
            table.row(std::mem::replace(&mut cells, vec![String::new(); 6]));
        }
    }
    console.out.put(table);
    for (job, found) in jobs.iter().zip(&found).filter(|(_, found)| found.counts[3] > 0) {
        let (name, held) = (job.job.name, found.counts[3]);
        if let Some(execution) = found.held_by {
            let waiting = found.counts[0];
            let times_wait = if waiting == 1 { "time waits" } else { "times wait" };
            console.out.line(format_args!(
                "{name}: execution {execution} failed or was stopped, and {waiting} later {times_wait} for it: `restart {execution}` resumes it, and `abandon {execution}` gives it up"
            ));
            continue;
        }
        let runs_are_held = if held == 1 {
            "1 run is held, because it failed or was stopped".to_owned()
        } else {
            format!("{held} runs are held, because they failed or were stopped")
        };
        console.out.line(format_args!(
            "{name}: {runs_are_held}; `executions {name}` lists the executions, and `restart ID` resumes one"
        ));
    }
    Ok(())
}

/// The document of several schedules.
pub(crate) fn document<'a>(
    jobs: &'a [ScheduledJob],
    found: &[ScheduleState],
    now: Timestamp,
) -> Schedules<'a> {
    let listed = jobs.iter().zip(found).map(|(job, found)| {
        let next: Vec<_> = job.times.after(now).take(NEXT).map(|time| job.fire(time)).collect();
        Listed::of(job, found.row.as_ref(), &next, found.last.as_ref(), found.counts, found.held_by)
    });
    Schedules { schedules: listed.collect() }
}

pub(crate) fn format_time(time: ScheduledTime) -> String {
    time.local.strftime("%a %Y-%m-%d %H:%M").to_string()
}

/// The last scheduled time, and the outcome of its run.
pub(crate) fn describe_last(row: &FireRow) -> String {
    let outcome = match (row.outcome, row.run) {
        (FireOutcome::Missed | FireOutcome::Skipped, None) => row.outcome.as_str().to_lowercase(),
        (_, None) => "waits".to_owned(),
        (_, Some(run)) => format!("{} (execution {})", run.status.as_str().to_lowercase(), run.execution),
    };
    format!("{}: {outcome}", row.scheduled)
}
