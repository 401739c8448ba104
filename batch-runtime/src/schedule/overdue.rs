//! Determines since when a job has been due without a run.

use jiff::Timestamp;

use super::Times;
use crate::repository::{FireFilter, FireOutcome, FireRow, Repository, RepositoryError, ScheduleRow};

/// The oldest scheduled time up to `now` for which nothing has run the job; `None` if the schedule is paused.
pub(crate) fn due_since(
    repository: &dyn Repository,
    schedule: &ScheduleRow,
    times: &Times,
    now: Timestamp,
) -> Result<Option<Timestamp>, RepositoryError> {
    let due = FireFilter { outcomes: vec![FireOutcome::Due], ..FireFilter::of(&schedule.job) };
    Ok(oldest(schedule, times, &repository.fires(&due)?, now))
}

fn oldest(schedule: &ScheduleRow, times: &Times, due: &[FireRow], now: Timestamp) -> Option<Timestamp> {
    if schedule.paused.is_some() {
        return None;
    }
    let waiting = due.iter().filter(|fire| fire.run.is_none()).map(|fire| fire.time);
    // The first time that no process has looked at.
    let unseen = times.after(schedule.planned).next().map(|time| time.instant);
    waiting.chain(unseen).min().filter(|time| *time <= now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(time: &str) -> Timestamp {
        time.parse().unwrap()
    }

    /// Since when a job that runs daily at three is due, at half past four.
    fn due_since(planned: &str, paused: Option<&str>, due: &[FireRow]) -> Option<Timestamp> {
        let schedule = ScheduleRow {
            job: "daily".to_owned(),
            expression: "0 3 * * *".to_owned(),
            zone: "UTC".to_owned(),
            since: Timestamp::UNIX_EPOCH,
            planned: at(planned),
            paused: paused.map(at),
        };
        let times = Times::of(&schedule.expression, &schedule.zone).unwrap();
        oldest(&schedule, &times, due, at("2026-11-23T04:30:00Z"))
    }

    fn fire(time: &str) -> FireRow {
        FireRow {
            scheduled: time.to_owned(),
            time: at(time),
            key: String::new(),
            outcome: FireOutcome::Due,
            run: None,
        }
    }

    #[test]
    fn a_job_is_due_since_the_first_time_that_no_process_has_looked_at() {
        assert_eq!(due_since("2026-11-21T03:00:00Z", None, &[]), Some(at("2026-11-22T03:00:00Z")));
        assert_eq!(due_since("2026-11-23T03:00:00Z", None, &[]), None);
    }

    #[test]
    fn a_job_is_due_since_the_oldest_time_that_waits_for_its_run() {
        let due = [fire("2026-11-23T03:00:00Z"), fire("2026-11-22T03:00:00Z")];
        assert_eq!(due_since("2026-11-23T03:00:00Z", None, &due), Some(at("2026-11-22T03:00:00Z")));
    }

    #[test]
    fn a_job_is_not_due_while_its_schedule_is_paused() {
        let due = [fire("2026-11-23T03:00:00Z")];
        assert_eq!(due_since("2026-11-21T03:00:00Z", Some("2026-11-23T04:00:00Z"), &due), None);
    }
}
