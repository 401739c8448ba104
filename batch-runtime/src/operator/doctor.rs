//! Looks for what is wrong with a repository and with the executions in it.

mod leftovers;
#[cfg(feature = "schedule")]
mod schedules;

use std::time::Duration;

use jiff::Timestamp;

use super::{JobOperator, OperatorError};
use crate::observe::words;
use crate::repository::{ExecutionFilter, JobExecution, OwnerState};

/// If two clocks differ by more than this, one of them is wrong, because reading them does not take that long.
const MAX_CLOCK_DIFFERENCE: Duration = Duration::from_secs(5);
/// An execution is long if it takes this many times as long as the longest one before it.
const LONG_FACTOR: u32 = 2;
/// An execution that takes less than this is not reported as long.
const MIN_LONG: Duration = Duration::from_mins(1);

/// A problem that a person should look at.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// Its kind, for programs: `owner_dead`, `long`, `leftover`, `clock`, `schedule`, or `repository`.
    pub kind: &'static str,
    /// What is wrong, and where.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

impl JobOperator {
    /// Looks for problems, and changes nothing. It finds running executions whose owners are dead or that take much
    /// longer than ever before; unfinished files of complete and abandoned instances; a clock that differs from the
    /// repository's; schedules that are paused, that no process follows, or whose runs wait for a person; and damage
    /// and lack of space in the repository.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use batch_runtime::repository::sqlite::SqliteRepository;
    /// use batch_runtime::operator::JobOperator;
    ///
    /// let operator = JobOperator::new(Arc::new(SqliteRepository::temporary()?));
    /// assert_eq!(operator.findings()?, []);
    /// # Ok::<(), batch_runtime::operator::OperatorError>(())
    /// ```
    ///
    /// # Errors
    /// If the repository cannot be read at all.
    pub fn findings(&self) -> Result<Vec<Finding>, OperatorError> {
        let mut findings = Vec::new();
        let now = self.repository.now()?;
        let running =
            self.repository.executions(&ExecutionFilter { running: true, ..ExecutionFilter::default() })?;
        // This adds up all rows, so do it only if there is a running execution to compare.
        let statistics = if running.is_empty() { None } else { Some(self.repository.statistics()?) };
        for execution in &running {
            if self.repository.owner_state(execution)? == OwnerState::Dead {
                findings.push(dead(execution));
                continue;
            }
            let longest = statistics
                .iter()
                .flat_map(|all| &all.jobs)
                .filter(|job| job.job == execution.instance.job && job.last_completed.is_some())
                .map(|job| job.times.longest)
                .max();
            findings.extend(longest.and_then(|longest| long(execution, longest, now)));
        }
        findings.extend(self.findings_of_leftovers()?);
        findings.extend(clock(now, Timestamp::now()));
        #[cfg(feature = "schedule")]
        findings.extend(self.findings_of_schedules(now)?);
        for (what, remedy) in self.repository.check()? {
            findings.push(Finding { kind: "repository", what, remedy });
        }
        Ok(findings)
    }
}

fn dead(execution: &JobExecution) -> Finding {
    let id = execution.id;
    let owner = execution.owner.as_ref();
    let process = owner.map(|owner| format!(" {} on {}", owner.pid, words::line(&owner.host, 100)));
    Finding {
        kind: "owner_dead",
        what: format!(
            "execution {id} of job `{}` counts as running, but its process{} is dead",
            words::line(&execution.instance.job, 100),
            process.unwrap_or_default()
        ),
        remedy: format!("`restart {id}` resumes it after its last commit, `recover` only ends it"),
    }
}

fn long(execution: &JobExecution, longest: Duration, now: Timestamp) -> Option<Finding> {
    let took = words::between(execution.started?, now);
    if took < MIN_LONG || took < longest.saturating_mul(LONG_FACTOR) {
        return None;
    }
    let id = execution.id;
    Some(Finding {
        kind: "long",
        what: format!(
            "execution {id} of job `{}` has been running for {}, and the longest one that completed took {}",
            words::line(&execution.instance.job, 100),
            words::time(took),
            words::time(longest)
        ),
        remedy: format!(
            "`show {id} --follow` shows how far it is, and `stop {id}` stops it after its current chunk"
        ),
    })
}

fn clock(repository: Timestamp, here: Timestamp) -> Option<Finding> {
    let apart = repository.duration_since(here).unsigned_abs();
    (apart > MAX_CLOCK_DIFFERENCE).then(|| Finding {
        kind: "clock",
        what: format!(
            "the clock of this machine and that of the repository are {} apart",
            words::time(apart)
        ),
        remedy:
            "synchronize both with NTP: times of executions, and `--older-than`, use the repository's clock"
                .to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::{ExecutionId, InstanceId};
    use crate::repository::{BatchStatus, ExitStatus, JobInstance};

    fn running(started: &str) -> JobExecution {
        let started: Timestamp = started.parse().unwrap();
        JobExecution {
            id: ExecutionId(7),
            instance: JobInstance { id: InstanceId(3), job: "load".to_owned(), key: String::new() },
            status: BatchStatus::Started,
            exit: ExitStatus::code("EXECUTING"),
            created: started,
            started: Some(started),
            ended: None,
            updated: started,
            epoch: 1,
            durability: crate::definition::Durability::Machine,
            owner: None,
            parameters: Vec::new(),
        }
    }

    #[test]
    fn an_execution_is_long_once_it_takes_twice_the_longest_time() {
        let now = "2026-11-23T04:00:00Z".parse().unwrap();
        let found = |started, minutes| long(&running(started), Duration::from_mins(minutes), now);
        assert_eq!(found("2026-11-23T03:00:00Z", 31), None);
        let what = found("2026-11-23T03:00:00Z", 30).unwrap().what;
        assert!(what.starts_with("execution 7 of job `load` has been running for "), "{what}");
        assert_eq!(found("2026-11-23T03:59:30Z", 0), None, "half a minute is not worth a look");
    }

    #[test]
    fn clocks_that_differ_by_seconds_are_found() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(clock(at("2026-11-23T04:00:00Z"), at("2026-11-23T04:00:04Z")), None);
        assert!(clock(at("2026-11-23T04:00:00Z"), at("2026-11-23T03:59:50Z")).is_some());
    }
}
