//! Looks for schedules that are paused, overdue or ahead of the clock, or whose runs wait for a person.

use jiff::{SignedDuration, Timestamp};

use super::Finding;
use crate::observe::words;
use crate::operator::{JobOperator, OperatorError};
use crate::repository::ScheduleRow;
use crate::schedule::{ScheduledJob, due_since, waiting_for_a_person};

/// A schedule that is overdue or ahead of the clock by more than this is reported.
const LATE: SignedDuration = SignedDuration::from_hours(1);

impl JobOperator {
    /// The findings about the schedules of the jobs that this operator knows.
    pub(super) fn findings_of_schedules(&self, now: Timestamp) -> Result<Vec<Finding>, OperatorError> {
        let mut findings = Vec::new();
        for job in self.jobs.iter().filter(|job| job.options.schedule.is_some()) {
            let Some(schedule) = self.repository.schedule(job.name)? else { continue };
            let times = ScheduledJob::of(job)?.times;
            let due = due_since(&*self.repository, &schedule, &times, now)?;
            let held = waiting_for_a_person(&*self.repository, job.name)?.len() as u64;
            findings.extend(of_schedule(&schedule, due, held, now));
        }
        Ok(findings)
    }
}

fn of_schedule(
    schedule: &ScheduleRow,
    due_since: Option<Timestamp>,
    held: u64,
    now: Timestamp,
) -> Vec<Finding> {
    let name = &schedule.job;
    let finding = |what: String, remedy: String| Finding { kind: "schedule", what, remedy };
    if let Some(paused) = schedule.paused {
        let since = words::time(words::between(paused, now));
        let what = format!("the schedule of job `{name}` has been paused for {since}");
        return vec![finding(what, format!("`schedule resume {name}` resumes it"))];
    }
    let mut findings = Vec::new();
    if let Some(oldest) = due_since.filter(|time| now.duration_since(*time) > LATE) {
        let since = words::time(words::between(oldest, now));
        findings.push(finding(
            format!("job `{name}` has been due for {since}, and nothing has run it"),
            format!("`run {name} --due` runs it; cron, systemd or `schedule` should do so by themselves"),
        ));
    }
    if schedule.planned.duration_since(now) > LATE {
        let ahead = words::time(words::between(now, schedule.planned));
        findings.push(finding(
            format!(
                "the schedule of job `{name}` has been processed up to a time that is {ahead} ahead of the clock"
            ),
            format!(
                "a clock was wrong: until the clock reaches that time, run the job with `run {name} --backfill FIRST..LAST`"
            ),
        ));
    }
    if held > 0 {
        let runs = if held == 1 {
            format!("1 scheduled run of job `{name}` failed or was stopped")
        } else {
            format!("{} scheduled runs of job `{name}` failed or were stopped", words::count(held))
        };
        findings.push(finding(
            format!("{runs}, and will not be restarted automatically"),
            format!("`executions {name}` lists the executions; `restart ID` resumes one"),
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(planned: &str, paused: Option<&str>, due_since: Option<&str>, held: u64) -> Vec<String> {
        let schedule = ScheduleRow {
            job: "daily".to_owned(),
            expression: "0 3 * * *".to_owned(),
            zone: "UTC".to_owned(),
            since: Timestamp::UNIX_EPOCH,
            planned: planned.parse().unwrap(),
            paused: paused.map(|time| time.parse().unwrap()),
        };
        let now = "2026-11-23T04:30:00Z".parse().unwrap();
        let due_since = due_since.map(|time| time.parse().unwrap());
        of_schedule(&schedule, due_since, held, now).into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn a_schedule_that_is_on_time_is_in_order() {
        assert_eq!(found("2026-11-23T03:00:00Z", None, None, 0), [""; 0]);
    }

    #[test]
    fn a_job_that_has_been_due_for_more_than_an_hour_is_found() {
        let late = ["job `daily` has been due for 1 h 30 min, and nothing has run it"];
        assert_eq!(found("2026-11-23T03:00:00Z", None, Some("2026-11-23T03:00:00Z"), 0), late);
        assert_eq!(found("2026-11-23T04:00:00Z", None, Some("2026-11-23T04:00:00Z"), 0), [""; 0]);
    }

    #[test]
    fn a_paused_schedule_is_found() {
        let paused = found("2026-11-22T03:00:00Z", Some("2026-11-23T04:00:00Z"), None, 3);
        assert_eq!(paused, ["the schedule of job `daily` has been paused for 30 min 00 s"]);
    }

    #[test]
    fn a_schedule_that_is_ahead_of_the_clock_is_found() {
        let ahead = found("2026-11-24T03:00:00Z", None, None, 0);
        assert_eq!(
            ahead,
            [
                "the schedule of job `daily` has been processed up to a time that is 22 h 30 min ahead of the clock"
            ]
        );
    }

    #[test]
    fn runs_that_wait_for_a_person_are_found() {
        let held = found("2026-11-23T03:00:00Z", None, None, 2);
        assert_eq!(
            held,
            [
                "2 scheduled runs of job `daily` failed or were stopped, and will not be restarted automatically"
            ]
        );
    }
}
