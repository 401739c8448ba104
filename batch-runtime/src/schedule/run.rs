//! Looks at a schedule, and runs what is due, through the operator.

use super::due::became_due;
use super::{Fire, Held, OpenFire, Plan, ScheduledJob, due};
use crate::definition::{ExecutionId, JobInfo, Parameters};
use crate::observe::JobReport;
use crate::operator::{JobOperator, OperatorError};
use crate::repository::{
    BatchStatus, ExecutionFilter, FireFilter, FireOutcome, FireRow, NewFire, OwnerState, Repository,
    RepositoryError, ScheduleRow, job_key,
};

/// The number of times that are written in one transaction.
const AT_ONCE: usize = 1_000;

/// The runs that a schedule asks for now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Due {
    /// The times to run the job for, in this order.
    pub start: Vec<Fire>,
    /// The running execution that a time waits for.
    pub waits_for: Option<ExecutionId>,
    /// The held execution that all later times wait for, with `on_failure = hold`.
    pub held_by: Option<ExecutionId>,
    /// When the next action is due, if nothing changes until then.
    pub next: Option<jiff::Timestamp>,
    /// The cron expression and the zone that a program has followed until now, if they are not those of this program.
    pub instead_of: Option<(String, String)>,
}

/// The times of a job whose runs wait for a person, latest first.
pub(crate) fn waiting_for_a_person(
    repository: &dyn Repository,
    job: &str,
) -> Result<Vec<FireRow>, RepositoryError> {
    let held = FireFilter { outcomes: vec![FireOutcome::Held], ..FireFilter::of(job) };
    let mut fires = repository.fires(&held)?;
    // The next look at the schedule settles those whose run has been completed or abandoned.
    fires.retain(|fire| {
        fire.run.is_some_and(|run| !matches!(run.status, BatchStatus::Completed | BatchStatus::Abandoned))
    });
    Ok(fires)
}

impl JobOperator {
    /// Looks at the schedule of a job: records the times that have become due, and returns those to start now.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use batch_runtime::repository::sqlite::SqliteRepository;
    /// # use batch_runtime::{JobInfo, JobOptions, Schedule};
    /// use batch_runtime::operator::JobOperator;
    ///
    /// const WEEKLY: &JobInfo = &JobInfo {
    ///     id: "demo::weekly",
    ///     name: "weekly",
    ///     doc: "",
    ///     parameters: &[],
    ///     flow: &[],
    ///     options: JobOptions::DEFAULT.schedule(Schedule::new("0 3 * * MON", "Asia/Seoul")),
    /// };
    /// let operator = JobOperator::new(Arc::new(SqliteRepository::temporary()?)).with_jobs(&[WEEKLY]);
    /// // The first look only begins to follow the schedule.
    /// assert_eq!(operator.due(WEEKLY)?.start, []);
    /// # Ok::<(), batch_runtime::operator::OperatorError>(())
    /// ```
    ///
    /// # Errors
    /// If the job has no schedule, or the repository cannot be used.
    pub fn due(&self, job: &'static JobInfo) -> Result<Due, OperatorError> {
        let job = ScheduledJob::of(job)?;
        let now = self.repository.now()?;
        let (held, instead_of) = self.held(&job, now)?;
        let Plan { new, settled, start, waits_for, held_by, next } = due(&job, &held, now);
        self.record(&job, &new)?;
        for (fire, outcome) in settled {
            self.repository.settle_fire(job.job.name, &fire.scheduled, outcome, &fire.key)?;
        }
        Ok(Due { start, waits_for, held_by, next, instead_of })
    }

    /// Records times that have become due.
    fn record(&self, job: &ScheduledJob, new: &[NewFire]) -> Result<(), OperatorError> {
        for some in new.chunks(AT_ONCE) {
            if let Some(last) = some.last() {
                self.repository.plan_fires(job.job.name, some, last.time)?;
            }
        }
        Ok(())
    }

    /// The state of the schedule in the repository. If another expression or zone was followed until now, also returns
    /// that expression and zone.
    fn held(
        &self,
        job: &ScheduledJob,
        now: jiff::Timestamp,
    ) -> Result<(Held, Option<(String, String)>), OperatorError> {
        let name = job.job.name;
        let (expression, zone) = (job.schedule.expression, job.schedule.zone);
        let is_ours = |row: &ScheduleRow| row.expression == expression && row.zone == zone;
        let (schedule, instead_of) = match self.repository.schedule(name)? {
            Some(row) if is_ours(&row) => (row, None),
            other => (
                self.repository.see_schedule(name, expression, zone, now)?,
                other.map(|row| (row.expression, row.zone)),
            ),
        };
        let outcomes = vec![FireOutcome::Due, FireOutcome::Held];
        let filter = FireFilter { outcomes, ..FireFilter::of(name) };
        let mut open = Vec::new();
        for row in self.repository.fires(&filter)?.into_iter().rev() {
            let running = row.run.filter(|run| run.status.is_running());
            let is_dead = match running {
                Some(run) => {
                    let execution = self.repository.execution(run.execution)?;
                    self.repository.owner_state(&execution)? == OwnerState::Dead
                }
                None => false,
            };
            open.push(OpenFire { row, is_dead });
        }
        let filter =
            ExecutionFilter { job: Some(name.to_owned()), running: true, ..ExecutionFilter::default() };
        let mut running = Vec::new();
        for execution in self.repository.executions(&filter)? {
            let is_of_a_fire =
                open.iter().any(|open| open.row.run.is_some_and(|run| run.execution == execution.id));
            if !is_of_a_fire && self.repository.owner_state(&execution)? != OwnerState::Dead {
                running.push((execution.id, execution.started.unwrap_or(now)));
            }
        }
        Ok((Held { schedule, open, running }, instead_of))
    }

    /// Runs a job for a scheduled time on this thread, and returns when the run has ended. `given` are parameters in
    /// addition to the scheduled time, such as secrets. Returns `None` if another process runs it, or has run it.
    ///
    /// # Errors
    /// As for [`start`](Self::start). If a person has to act before the run can start, the time is held.
    pub fn start_fire(
        &self,
        job: &'static JobInfo,
        fire: &Fire,
        given: &Parameters,
    ) -> Result<Option<JobReport>, OperatorError> {
        let scheduled = ScheduledJob::of(job)?;
        let parameters = scheduled.parameters(&fire.scheduled, given)?;
        let key = job_key(&parameters);
        let settle = |outcome| self.repository.settle_fire(job.name, &fire.scheduled, outcome, &key);
        if key != fire.key {
            // A default has changed since the time was written.
            settle(FireOutcome::Due)?;
        }
        match self.run(job, &parameters) {
            Ok(report) => {
                match report.status {
                    BatchStatus::Completed => settle(FireOutcome::Done)?,
                    // `stop!` in the job asks for a person; a signal does not.
                    BatchStatus::Stopped if !self.options.stop.is_raised() => settle(FireOutcome::Held)?,
                    _ => {}
                }
                Ok(Some(report))
            }
            Err(OperatorError::Repository(RepositoryError::AlreadyRunning { .. })) => Ok(None),
            Err(OperatorError::Repository(RepositoryError::AlreadyComplete { .. })) => {
                settle(FireOutcome::Done)?;
                Ok(None)
            }
            Err(error) => {
                if let OperatorError::Repository(
                    RepositoryError::NeedsRecovery { .. }
                    | RepositoryError::NotRestartable { .. }
                    | RepositoryError::TooManyRecoveries { .. }
                    | RepositoryError::GraphChanged { .. },
                ) = &error
                {
                    settle(FireOutcome::Held)?;
                }
                Err(error)
            }
        }
    }

    /// Pauses the schedule of a job, or resumes it. The job never runs for a time within a pause. After the pause, it
    /// runs for the times that were already due when the pause began. Returns whether the call changed anything.
    ///
    /// # Errors
    /// If the job has no schedule, or the repository cannot be written.
    pub fn pause_schedule(&self, job: &'static JobInfo, pause: bool) -> Result<bool, OperatorError> {
        let job = ScheduledJob::of(job)?;
        let now = self.repository.now()?;
        let (expression, zone) = (job.schedule.expression, job.schedule.zone);
        let schedule = self.repository.see_schedule(job.job.name, expression, zone, now)?;
        if let Some(began) = schedule.paused.filter(|_| !pause) {
            // The times that became due since the last look at the schedule and before the pause are not yet recorded.
            self.record(&job, &became_due(&job, schedule.planned, began))?;
        }
        Ok(self.repository.pause_schedule(job.job.name, pause, now)?)
    }
}
