//! Reads executions from the repository: one, or those that a filter selects, page by page.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};

use super::connections::Shared;
use super::error::InnerError;
use super::queries::exit_of;
use super::rows::{self, RUNNING, int};
use crate::definition::{Durability, ExecutionId, InstanceId, ParameterValue};
use crate::repository::{
    Between, ExecutionFilter, JobExecution, JobInstance, RepositoryError, StoredParameter,
};

/// A job with fewer instances than this is searched instance by instance; the executions of a larger job soon turn up among
/// the newest.
const FEW: u32 = 5_000;

fn select(rest: &str) -> String {
    let owner = rows::OWNER;
    format!(
        "SELECT e.JOB_EXECUTION_ID, e.STATUS, e.EXIT_CODE, e.EXIT_MESSAGE, e.CREATE_TIME, e.START_TIME, e.END_TIME,
                e.LAST_UPDATED, i.JOB_INSTANCE_ID, i.JOB_NAME, i.JOB_KEY, o.EPOCH, o.DURABILITY, {owner},
                (SELECT MAX(s.LAST_UPDATED) FROM BATCH_STEP_EXECUTION s
                 WHERE e.END_TIME IS NULL AND s.JOB_EXECUTION_ID = e.JOB_EXECUTION_ID)
         FROM BATCH_JOB_EXECUTION e
         JOIN BATCH_JOB_INSTANCE i ON i.JOB_INSTANCE_ID = e.JOB_INSTANCE_ID
         LEFT JOIN BATCH_JOB_OWNER o ON o.JOB_EXECUTION_ID = e.JOB_EXECUTION_ID {rest}"
    )
}

/// An execution without its parameters.
fn execution_of(row: &Row<'_>) -> rusqlite::Result<JobExecution> {
    let created = rows::time(row, 4)?.unwrap_or_default();
    let durability: Option<String> = row.get(12)?;
    Ok(JobExecution {
        id: ExecutionId(row.get(0)?),
        status: rows::status(row, 1)?,
        exit: exit_of(row, 2)?,
        created,
        started: rows::time(row, 5)?,
        ended: rows::time(row, 6)?,
        updated: rows::time(row, 7)?.max(rows::time(row, 18)?).unwrap_or(created),
        instance: JobInstance { id: InstanceId(row.get(8)?), job: row.get(9)?, key: row.get(10)? },
        epoch: rows::count(row, 11)?,
        durability: rows::durability(durability.as_deref()),
        owner: rows::owner(row, 13)?,
        parameters: Vec::new(),
    })
}

/// Reads the parameters of executions in one query, and adds them.
fn add_parameters(connection: &Connection, executions: &mut [JobExecution]) -> Result<(), InnerError> {
    let ids: Vec<i64> = executions.iter().map(|execution| execution.id.0).collect();
    let mut by_id: BTreeMap<i64, &mut JobExecution> =
        executions.iter_mut().map(|execution| (execution.id.0, execution)).collect();
    let mut select = connection.prepare_cached(
        "SELECT JOB_EXECUTION_ID, PARAMETER_NAME, PARAMETER_TYPE, PARAMETER_VALUE, IDENTIFYING
         FROM BATCH_JOB_EXECUTION_PARAMS WHERE JOB_EXECUTION_ID IN (SELECT value FROM json_each(?1))
         ORDER BY PARAMETER_NAME",
    )?;
    let mut rows = select.query([serde_json::Value::from(ids).to_string()])?;
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        let name: String = row.get(1)?;
        let class = row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?;
        let text: Option<String> = row.get(3)?;
        let value = ParameterValue::from_stored(class, &text.unwrap_or_default())
            .map_err(|why| InnerError::Corrupt(format!("parameter `{name}` of execution {id}: {why}")))?;
        let identifying = row.get_ref(4)?.as_str().map_err(rusqlite::Error::from)? == "Y";
        if let Some(execution) = by_id.get_mut(&id) {
            execution.parameters.push(StoredParameter { name, value, identifying });
        }
    }
    Ok(())
}

pub(super) fn execution(shared: &Arc<Shared>, id: ExecutionId) -> Result<JobExecution, InnerError> {
    let connection = shared.lend(Durability::Machine)?;
    let mut execution = [connection
        .prepare_cached(&select("WHERE e.JOB_EXECUTION_ID = ?1"))?
        .query_row([id.0], execution_of)
        .optional()?
        .ok_or(RepositoryError::NoSuchExecution(id))?];
    add_parameters(&connection, &mut execution)?;
    let [execution] = execution;
    Ok(execution)
}

/// The `FROM` and `WHERE` clauses of a filter without its page, with executions as `x`, and their values.
struct FilterClauses {
    tables: String,
    conditions: Vec<String>,
    values: Vec<Value>,
}

impl FilterClauses {
    fn of(connection: &Connection, filter: &ExecutionFilter) -> Result<Self, InnerError> {
        let index = if filter.running { "INDEXED BY BATCH_JOB_EXECUTION_RUNNING" } else { "" };
        let mut tables = format!("BATCH_JOB_EXECUTION x {index}");
        if let Some(job) = &filter.job {
            let instances = "BATCH_JOB_INSTANCE n";
            // `CROSS JOIN` searches the first table first. Without statistics the planner cannot know which is better.
            let [first, second] = if !filter.running && has_few_instances(connection, job)? {
                [instances, &tables]
            } else {
                [&tables, instances]
            };
            tables = format!("{first} CROSS JOIN {second} ON n.JOB_INSTANCE_ID = x.JOB_INSTANCE_ID");
        }
        let mut clauses = Self { tables, conditions: vec!["TRUE".to_owned()], values: Vec::new() };
        clauses.add_conditions(filter);
        clauses.add_short_time(connection, &filter.ended)?;
        Ok(clauses)
    }

    /// If few executions ended in that range of time, finds them by the index of end times. If many did, they soon turn
    /// up among the newest executions.
    fn add_short_time(&mut self, connection: &Connection, ended: &Between) -> rusqlite::Result<()> {
        let Some(from) = ended.from else { return Ok(()) };
        let first = self.values.len();
        let (from, from_millis) = self.moment(from);
        let of = |condition: String| {
            format!("SELECT t.JOB_EXECUTION_ID FROM BATCH_JOB_EXECUTION t WHERE t.END_TIME {condition}")
        };
        let ranges = match ended.until.map(|until| self.moment(until)) {
            Some((until, until_millis)) => vec![
                of(format!(">= {from} AND t.END_TIME < {until}")),
                of(format!(">= {from_millis} AND t.END_TIME < {until_millis}")),
            ],
            // An end that has not come yet is later than every other.
            None => vec![
                of(format!(">= {from}")),
                of(format!(">= {from_millis} AND t.END_TIME < ''")),
                of("IS NULL".to_owned()),
            ],
        };
        let ended = ranges.join(" UNION ALL ");
        // This query does not use the values that were added before.
        let mut values = self.values.clone();
        values[..first].fill(Value::Null);
        let count: u32 = connection
            .prepare_cached(&format!("SELECT COUNT(*) FROM (SELECT 1 FROM ({ended}) LIMIT {FEW})"))?
            .query_row(params_from_iter(&values), |row| row.get(0))?;
        if count < FEW {
            self.conditions.push(format!("x.JOB_EXECUTION_ID IN ({ended})"));
        } else {
            self.values.truncate(first);
        }
        Ok(())
    }

    fn add_conditions(&mut self, filter: &ExecutionFilter) {
        let ExecutionFilter { job, instance, running, statuses, started, ended, parameter, .. } = filter;
        if let Some(job) = job {
            let job = self.value(job.clone());
            self.conditions.push(format!("n.JOB_NAME = {job}"));
        }
        if let Some(instance) = instance {
            let instance = self.value(instance.0);
            self.conditions.push(format!("x.JOB_INSTANCE_ID = {instance}"));
        }
        if *running {
            self.conditions.push(format!("x.STATUS IN {RUNNING}"));
        }
        if !statuses.is_empty() {
            let statuses: Vec<_> =
                statuses.iter().map(|status| self.value(status.as_str().to_owned())).collect();
            self.conditions.push(format!("x.STATUS IN ({})", statuses.join(", ")));
        }
        self.add_time("x.START_TIME", started);
        self.add_time("x.END_TIME", ended);
        if let Some(text) = parameter {
            let text = self.value(text.clone());
            self.conditions.push(format!(
                "EXISTS (SELECT 1 FROM BATCH_JOB_EXECUTION_PARAMS p WHERE p.JOB_EXECUTION_ID = x.JOB_EXECUTION_ID
                           AND instr(p.PARAMETER_NAME || '=' || COALESCE(p.PARAMETER_VALUE, ''), {text}))"
            ));
        }
    }

    /// The JDBC driver writes times as milliseconds since 1970. To `SQLite`, numbers are less than strings.
    fn add_time(&mut self, column: &str, between: &Between) {
        if let Some(from) = between.from {
            let (text, millis) = self.moment(from);
            self.conditions.push(format!(
                "({column} >= {text} OR ({column} >= {millis} AND {column} < '') OR {column} IS NULL)"
            ));
        }
        if let Some(until) = between.until {
            let (text, millis) = self.moment(until);
            self.conditions.push(format!("(({column} >= '' AND {column} < {text}) OR {column} < {millis})"));
        }
    }

    /// A time as text and in milliseconds, rounded up. The text has no zeros at its end, so it is not greater than an
    /// equal time of any precision.
    fn moment(&mut self, time: Timestamp) -> (String, String) {
        let text = time.strftime("%Y-%m-%d %H:%M:%S%.f").to_string();
        let millis = time.as_nanosecond().div_euclid(1_000_000)
            + i128::from(time.as_nanosecond().rem_euclid(1_000_000) > 0);
        (self.value(text), self.value(i64::try_from(millis).unwrap_or(i64::MAX)))
    }

    /// Adds a value, and returns its place.
    fn value(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("?{}", self.values.len())
    }

    /// The query for an expression over the executions.
    fn select(&self, what: &str) -> String {
        format!("SELECT {what} FROM {} WHERE {}", self.tables, self.conditions.join(" AND "))
    }
}

fn has_few_instances(connection: &Connection, job: &str) -> rusqlite::Result<bool> {
    let count: u32 = connection
        .prepare_cached(
            "SELECT COUNT(*) FROM (SELECT 1 FROM BATCH_JOB_INSTANCE WHERE JOB_NAME = ?1 LIMIT ?2)",
        )?
        .query_row(params![job, FEW], |row| row.get(0))?;
    Ok(count < FEW)
}

pub(super) fn count_executions(shared: &Arc<Shared>, filter: &ExecutionFilter) -> Result<u64, InnerError> {
    let connection = shared.lend(Durability::Machine)?;
    let clauses = FilterClauses::of(&connection, filter)?;
    let count = connection
        .prepare_cached(&clauses.select("COUNT(*)"))?
        .query_row(params_from_iter(&clauses.values), |row| rows::count(row, 0))?;
    Ok(count)
}

pub(super) fn executions(
    shared: &Arc<Shared>,
    filter: &ExecutionFilter,
) -> Result<Vec<JobExecution>, InnerError> {
    let connection = shared.lend(Durability::Machine)?;
    // One snapshot for the executions and their parameters.
    let transaction = connection.unchecked_transaction()?;
    let mut clauses = FilterClauses::of(&transaction, filter)?;
    if let Some(after) = filter.after {
        let after = clauses.value(after.0);
        clauses.conditions.push(format!("x.JOB_EXECUTION_ID < {after}"));
    }
    let limit = clauses.value(filter.limit.map_or(-1, i64::from));
    let offset = clauses.value(int(filter.offset));
    // The IDs are selected from indexes alone, where possible; only the rows of the results are read.
    let rest = format!(
        "WHERE e.JOB_EXECUTION_ID IN ({} ORDER BY x.JOB_EXECUTION_ID DESC LIMIT {limit} OFFSET {offset})
         ORDER BY e.JOB_EXECUTION_ID DESC",
        clauses.select("x.JOB_EXECUTION_ID")
    );
    let mut select = transaction.prepare_cached(&select(&rest))?;
    let mut executions: Vec<JobExecution> =
        select.query_map(params_from_iter(&clauses.values), execution_of)?.collect::<Result<_, _>>()?;
    add_parameters(&transaction, &mut executions)?;
    Ok(executions)
}
