//! `schedule list`

use crate::cli::arguments::Globals;
use crate::cli::console::Console;
use crate::cli::output::print_json;
use crate::cli::repository;
use crate::definition::JobInfo;
use crate::frontend::refusal::Refusal;
use crate::frontend::schedule::{NEXT, ScheduleState, describe_last, document, format_time, scheduled};
use crate::observe::table::{Align, Table};
use crate::repository::{Clock as _, SystemClock};
use crate::schedule::ScheduledJob;

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
