//! Reads executions from the repository: one, or those that a filter selects, page by page.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{RoundMode, Timestamp, TimestampRound, Unit};

use super::error::InnerError;
use super::queries::exit_of;
use super::rows::{self, get, int, owner_columns, running};
use super::shared::{Shared, Tx, Value};
use crate::definition::{ExecutionId, InstanceId, ParameterValue};
use crate::postgres::Row;
use crate::postgres::types::ToSql;
use crate::repository::{
    Between, ExecutionFilter, JobExecution, JobInstance, RepositoryError, StoredParameter,
};

macro_rules! executions {
    ($rest:expr) => {
        concat!(
            "SELECT e.JOB_EXECUTION_ID, e.STATUS, e.EXIT_CODE, e.EXIT_MESSAGE, e.CREATE_TIME, e.START_TIME, e.END_TIME,
                    e.LAST_UPDATED, i.JOB_INSTANCE_ID, i.JOB_NAME, i.JOB_KEY, o.EPOCH, o.DURABILITY, ",
            owner_columns!(),
            ", (SELECT MAX(s.LAST_UPDATED) FROM @BATCH_STEP_EXECUTION s
                WHERE e.END_TIME IS NULL AND s.JOB_EXECUTION_ID = e.JOB_EXECUTION_ID)
             FROM @BATCH_JOB_EXECUTION e
             JOIN @BATCH_JOB_INSTANCE i ON i.JOB_INSTANCE_ID = e.JOB_INSTANCE_ID
             LEFT JOIN @BATCH_JOB_OWNER o ON o.JOB_EXECUTION_ID = e.JOB_EXECUTION_ID ",
            $rest
        )
    };
}

/// An execution without its parameters.
fn execution_of(row: &Row) -> Result<JobExecution, InnerError> {
    let created = rows::time(row, 4)?.unwrap_or_default();
    let durability: Option<&str> = get(row, 12)?;
    Ok(JobExecution {
        id: ExecutionId(get(row, 0)?),
        status: rows::status(row, 1)?,
        exit: exit_of(row, 2)?,
        created,
        started: rows::time(row, 5)?,
        ended: rows::time(row, 6)?,
        updated: rows::time(row, 7)?.max(rows::time(row, 18)?).unwrap_or(created),
        instance: JobInstance { id: InstanceId(get(row, 8)?), job: get(row, 9)?, key: get(row, 10)? },
        epoch: rows::count(row, 11)?,
        durability: rows::durability(durability),
        owner: rows::owner(row, 13)?,
        parameters: Vec::new(),
    })
}

/// Reads the parameters of executions in one query, and adds them.
fn add_parameters(tx: &Tx<'_>, executions: &mut [JobExecution]) -> Result<(), InnerError> {
    let ids: Vec<i64> = executions.iter().map(|execution| execution.id.0).collect();
    let mut by_id: BTreeMap<i64, &mut JobExecution> =
        executions.iter_mut().map(|execution| (execution.id.0, execution)).collect();
    let rows = tx.query(
        "SELECT JOB_EXECUTION_ID, PARAMETER_NAME, PARAMETER_TYPE, PARAMETER_VALUE, IDENTIFYING = 'Y'
         FROM @BATCH_JOB_EXECUTION_PARAMS WHERE JOB_EXECUTION_ID = ANY($1) ORDER BY PARAMETER_NAME COLLATE \"C\"",
        &[&ids],
    )?;
    for row in &rows {
        let id: i64 = get(row, 0)?;
        let name: String = get(row, 1)?;
        let text: Option<&str> = get(row, 3)?;
        let value = ParameterValue::from_stored(get(row, 2)?, text.unwrap_or_default())
            .map_err(|why| InnerError::Corrupt(format!("parameter `{name}` of execution {id}: {why}")))?;
        let identifying = get(row, 4)?;
        if let Some(execution) = by_id.get_mut(&id) {
            execution.parameters.push(StoredParameter { name, value, identifying });
        }
    }
    Ok(())
}

pub(super) fn execution(shared: &Arc<Shared>, id: ExecutionId) -> Result<JobExecution, InnerError> {
    shared.read(|tx| {
        let row = tx.query_opt(executions!("WHERE e.JOB_EXECUTION_ID = $1"), &[&id.0])?;
        let mut execution = [execution_of(&row.ok_or(RepositoryError::NoSuchExecution(id))?)?];
        add_parameters(tx, &mut execution)?;
        let [execution] = execution;
        Ok(execution)
    })
}

/// The `FROM` and `WHERE` clauses of a filter without its page, with executions as `x`, and their values. The statement
/// contains only the conditions that are asked for, because a plan that fits every value of a condition cannot use an
/// index.
struct FilterClauses {
    tables: &'static str,
    conditions: Vec<String>,
    values: Vec<Box<dyn ToSql + Sync>>,
}

impl FilterClauses {
    fn of(filter: &ExecutionFilter) -> Self {
        let ExecutionFilter { job, instance, running, statuses, started, ended, parameter, .. } = filter;
        let mut clauses = Self {
            tables: "@BATCH_JOB_EXECUTION x",
            conditions: vec!["TRUE".to_owned()],
            values: Vec::new(),
        };
        if let Some(job) = job {
            clauses.tables = "@BATCH_JOB_EXECUTION x
                JOIN @BATCH_JOB_INSTANCE n ON n.JOB_INSTANCE_ID = x.JOB_INSTANCE_ID";
            clauses.add("n.JOB_NAME = $", job.clone());
        }
        if let Some(instance) = instance {
            clauses.add("x.JOB_INSTANCE_ID = $", instance.0);
        }
        if *running {
            clauses.conditions.push(concat!("x.STATUS IN ", running!()).to_owned());
        }
        if !statuses.is_empty() {
            let statuses: Vec<_> = statuses.iter().map(|status| status.as_str()).collect();
            clauses.add("x.STATUS = ANY($::text[])", statuses);
        }
        clauses.add_time("x.START_TIME", started);
        clauses.add_time("x.END_TIME", ended);
        if let Some(text) = parameter {
            clauses.add(
                "EXISTS (SELECT FROM @BATCH_JOB_EXECUTION_PARAMS p WHERE p.JOB_EXECUTION_ID = x.JOB_EXECUTION_ID
                    AND strpos(p.PARAMETER_NAME || '=' || COALESCE(p.PARAMETER_VALUE, ''), $::text) > 0)",
                text.clone(),
            );
        }
        clauses
    }

    fn add_time(&mut self, column: &str, between: &Between) {
        if let Some(from) = between.from {
            self.add(&format!("({column} >= $ OR {column} IS NULL)"), moment(from));
        }
        if let Some(until) = between.until {
            self.add(&format!("{column} < $"), moment(until));
        }
    }

    /// Adds a condition with its value. The `$` in the condition is the place of the value.
    fn add(&mut self, condition: &str, value: impl ToSql + Sync + 'static) {
        let place = self.value(value);
        self.conditions.push(condition.replace('$', &place));
    }

    /// Adds a value, and returns its place.
    fn value(&mut self, value: impl ToSql + Sync + 'static) -> String {
        self.values.push(Box::new(value));
        format!("${}", self.values.len())
    }

    /// The query for an expression over the executions.
    fn select(&self, what: &str) -> String {
        format!("SELECT {what} FROM {} WHERE {}", self.tables, self.conditions.join(" AND "))
    }

    fn run(&self, tx: &Tx<'_>, query: &str) -> Result<Vec<Row>, InnerError> {
        let values: Vec<Value<'_>> = self.values.iter().map(AsRef::as_ref).collect();
        Ok(tx.session.query(&tx.statements.filled(query), &values)?)
    }
}

/// A time as the columns hold it, rounded up to their precision.
fn moment(time: Timestamp) -> DateTime {
    let up = TimestampRound::new().smallest(Unit::Microsecond).mode(RoundMode::Ceil);
    TimeZone::UTC.to_datetime(time.round(up).unwrap_or(time))
}

pub(super) fn count_executions(shared: &Arc<Shared>, filter: &ExecutionFilter) -> Result<u64, InnerError> {
    let clauses = FilterClauses::of(filter);
    shared.read(|tx| {
        let rows = clauses.run(tx, &clauses.select("COUNT(*)"))?;
        rows.first().map_or(Ok(0), |row| rows::count(row, 0))
    })
}

pub(super) fn executions(
    shared: &Arc<Shared>,
    filter: &ExecutionFilter,
) -> Result<Vec<JobExecution>, InnerError> {
    let mut clauses = FilterClauses::of(filter);
    if let Some(after) = filter.after {
        clauses.add("x.JOB_EXECUTION_ID < $", after.0);
    }
    let limit = clauses.value(filter.limit.map(i64::from));
    let offset = clauses.value(int(filter.offset));
    let query = format!(
        "{}WHERE e.JOB_EXECUTION_ID IN ({} ORDER BY x.JOB_EXECUTION_ID DESC LIMIT {limit} OFFSET {offset})
         ORDER BY e.JOB_EXECUTION_ID DESC",
        executions!(""),
        clauses.select("x.JOB_EXECUTION_ID")
    );
    shared.read(|tx| {
        let rows = clauses.run(tx, &query)?;
        let mut executions: Vec<JobExecution> = rows.iter().map(execution_of).collect::<Result<_, _>>()?;
        add_parameters(tx, &mut executions)?;
        Ok(executions)
    })
}
