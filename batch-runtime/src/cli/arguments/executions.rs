//! The options of `executions`.

use clap::ArgMatches;
use jiff::Timestamp;

use crate::definition::ExecutionId;
use crate::frontend::times::TypedTime;
use crate::repository::{Between, ExecutionFilter};

/// The options of `executions`.
#[derive(Debug)]
pub(in crate::cli) struct ExecutionsArguments {
    filter: ExecutionFilter,
    since: Option<TypedTime>,
    until: Option<TypedTime>,
    pub(in crate::cli) limit: u32,
}

impl ExecutionsArguments {
    pub(in crate::cli) fn of(matches: &ArgMatches) -> Self {
        let text = |name| matches.get_one::<String>(name).cloned();
        let time = |name| matches.get_one::<TypedTime>(name).copied();
        Self {
            filter: ExecutionFilter {
                job: text("job"),
                running: matches.get_flag("running"),
                statuses: matches.get_many("status").into_iter().flatten().copied().collect(),
                parameter: text("parameter"),
                after: matches.get_one::<i64>("after").copied().map(ExecutionId),
                ..ExecutionFilter::default()
            },
            since: time("since"),
            until: time("until"),
            limit: matches.get_one::<u32>("limit").copied().unwrap_or(20),
        }
    }

    /// Returns whether this is the first page of all executions, without any filter.
    pub(in crate::cli) fn is_all(&self) -> bool {
        let ExecutionFilter { job, running, statuses, parameter, .. } = &self.filter;
        let is_any = job.is_none() && !running && statuses.is_empty() && parameter.is_none();
        is_any && self.since.is_none() && self.until.is_none() && self.filter.after.is_none()
    }

    /// Returns whether only running executions are listed.
    pub(in crate::cli) fn is_running(&self) -> bool {
        self.filter.running
    }

    /// The filter, with relative times counted back from `now`.
    pub(in crate::cli) fn filter(&self, now: Timestamp) -> ExecutionFilter {
        let at = |typed: Option<TypedTime>| typed.map(|typed| typed.at(now));
        let ended = Between { from: at(self.since), until: at(self.until) };
        ExecutionFilter { ended, ..self.filter.clone() }
    }
}
