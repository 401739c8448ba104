//! The scheduled times of past days.

use std::fmt;
use std::str::FromStr;

use crate::Date;
use crate::definition::JobInfo;
use crate::frontend::refusal::Refusal;
use crate::operator::{JobOperator, OperatorError};
use crate::repository::BatchStatus;
use crate::schedule::{Fire, ScheduledJob};

/// The first and the last date of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dates {
    pub(crate) first: Date,
    pub(crate) last: Date,
}

impl fmt::Display for Dates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.first, self.last)
    }
}

impl FromStr for Dates {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let date = |text: &str| text.trim_start_matches('=').parse::<Date>().ok();
        let dates = match text.split_once("..") {
            Some((first, last)) => date(first).zip(date(last)),
            None => date(text).map(|only| (only, only)),
        };
        let expected = "expected two dates, the first and the last, such as 2026-01-05..2026-03-30";
        let (first, last) = dates.ok_or(expected)?;
        if last < first {
            return Err(format!("the first date is later than the last; {expected}"));
        }
        Ok(Self { first, last })
    }
}

/// The times of a backfill, oldest first: those within the dates whose run is not complete, abandoned or still running.
pub(crate) fn fires(
    operator: &JobOperator,
    job: &'static JobInfo,
    range: Dates,
    failed_only: bool,
) -> Result<Vec<Fire>, Refusal> {
    let scheduled = ScheduledJob::of(job).map_err(OperatorError::from)?;
    let repository = operator.repository();
    let now = repository.now()?;
    let times = scheduled
        .times
        .between_dates(range.first, range.last)
        .map_err(|error| Refusal::usage(format!("the job cannot be run for these days: {error}")))?;
    let mut fires = Vec::new();
    for time in times.take_while(|time| time.instant <= now) {
        let fire = scheduled.fire(time);
        let is_wanted = match repository.last_run(job.name, &fire.key)?.map(|run| run.status) {
            Some(BatchStatus::Completed | BatchStatus::Abandoned) => false,
            Some(status) => !status.is_running(),
            None => !failed_only,
        };
        if is_wanted {
            fires.push(fire);
        }
    }
    Ok(fires)
}
