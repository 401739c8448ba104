//! Locks of other sessions: how long to wait for them, and which session holds them.

use super::error::{InnerError, unusable};
use super::rows::get;
use super::shared::Shared;

macro_rules! patient {
    () => {
        "SET LOCAL lock_timeout = '60s'"
    };
}
pub(super) use patient;

/// The setting for rows that other jobs write as well.
pub(super) const PATIENT: &str = patient!();
/// The setting for rows of an execution whose owner is lost.
pub(super) const IMPATIENT: &str = "SET LOCAL lock_timeout = '5s'";

/// Names the session that probably holds the lock: the one with the oldest transaction that has written to the tables.
pub(super) fn explain(shared: &Shared, error: InnerError) -> InnerError {
    holder(shared).ok().flatten().unwrap_or(error)
}

fn holder(shared: &Shared) -> Result<Option<InnerError>, InnerError> {
    let lent = shared.lend()?;
    let row = shared.tx(&lent).query_opt(
        "SELECT a.pid, COALESCE(a.application_name, ''), COALESCE(a.usename::text, ''), COALESCE(a.state, 'hidden')
         FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
         WHERE l.granted AND l.locktype = 'relation' AND l.mode <> 'AccessShareLock' AND l.pid <> pg_backend_pid()
           AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
           AND l.relation IN ('@BATCH_JOB_INSTANCE'::regclass, '@BATCH_JOB_OWNER'::regclass,
                              '@BATCH_JOB_EXECUTION'::regclass, '@BATCH_STEP_EXECUTION'::regclass)
         ORDER BY a.xact_start NULLS LAST LIMIT 1",
        &[],
    )?;
    let Some(row) = row else { return Ok(None) };
    let (pid, name, user, state): (i32, String, String, String) =
        (get(&row, 0)?, get(&row, 1)?, get(&row, 2)?, get(&row, 3)?);
    let what = format!(
        "is locked, probably by session {pid} of the server (`{name}` of user `{user}`, {state}): wait until it has finished, or end it with `SELECT pg_terminate_backend({pid})`"
    );
    Ok(Some(unusable(shared.place(), what).into()))
}
