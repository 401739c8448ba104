//! Creates the tables of the repository, and brings older ones up to date.

use super::error::{InnerError, unusable};
use super::rows::get;
use super::shared::{Statements, Tx};
use crate::postgres::{PgError, Postgres, Session};

/// The statements that lead from each version to the next.
const MIGRATIONS: [(i64, &str); 4] = [
    (1, include_str!("../schema/postgres_1.sql")),
    (2, include_str!("../schema/postgres_2.sql")),
    (3, include_str!("../schema/postgres_3.sql")),
    (4, include_str!("../schema/postgres_4.sql")),
];

/// The version of the schema that this program writes.
const VERSION: i64 = MIGRATIONS[MIGRATIONS.len() - 1].0;

/// The `server_version_num` of the oldest server that works.
const MIN_SERVER_VERSION: i32 = 130_000;

/// The tables that exist already.
struct Present {
    /// This framework's own: the repository's ID and the version of the tables.
    ours: Option<(String, i64)>,
    /// Those of Spring Batch.
    spring: bool,
}

/// Brings the schema up to date and returns the repository's ID.
pub(super) fn prepare(
    session: &Session,
    statements: &Statements,
    database: &Postgres,
    creates: bool,
) -> Result<String, InnerError> {
    let tx = Tx { session, statements };
    let version: i32 = get(&tx.query_one("SELECT current_setting('server_version_num')::int", &[])?, 0)?;
    if let Some(what) = too_old(version) {
        return Err(unusable(database.place(), what).into());
    }
    let present = present(session, statements, database)?;
    if let Some((uuid, VERSION)) = present.ours {
        return Ok(uuid);
    }
    if !creates && present.ours.is_none() {
        return Err(unusable(database.place(), "holds no repository: `run` creates one").into());
    }
    session.begin("SET LOCAL lock_timeout = '60s'")?;
    let uuid = create_or_migrate(session, statements, database);
    if let Err(error) = uuid {
        session.rollback()?;
        return match present.ours {
            // Queries of a user who may only read find all that they need in older tables.
            Some((uuid, _)) if !creates && error.is_refusal() => Ok(uuid),
            _ => Err(error),
        };
    }
    session.commit().map_err(|error| InnerError::Database(error.into_error()))?;
    uuid
}

/// Explains why a server is too old, if it is; `version` is its `server_version_num`.
fn too_old(version: i32) -> Option<String> {
    // Before version 10 the second number is part of the version.
    let is = match version / 10_000 {
        ..=9 => format!("{}.{}", version / 10_000, version / 100 % 100),
        major => major.to_string(),
    };
    (version < MIN_SERVER_VERSION).then(|| {
        format!("the server is PostgreSQL {is}, and version 13 is the oldest that works: name a newer server")
    })
}

/// Creates or updates the tables under a lock. Another process may have been faster, and then holds the lock until its
/// commit.
fn create_or_migrate(
    session: &Session,
    statements: &Statements,
    database: &Postgres,
) -> Result<String, InnerError> {
    let tx = Tx { session, statements };
    tx.query(
        "SELECT pg_advisory_xact_lock(hashtextextended('batch schema ' || $1, 0))",
        &[&database.schema()],
    )?;
    let exists = tx.query_one("SELECT to_regnamespace($1) IS NOT NULL", &[&database.schema()])?;
    if !get::<bool>(&exists, 0)? {
        session.batch_execute(&format!("CREATE SCHEMA {}", database.schema()))?;
    }
    let Present { ours, spring } = present(session, statements, database)?;
    if !spring {
        run(session, &statements.filled(include_str!("../schema/postgres_spring.sql")))?;
    } else if ours.is_none() {
        refuse_two_running(session, statements, database)?;
    }
    let version = ours.as_ref().map_or(0, |(_, version)| *version);
    for (_, migration) in MIGRATIONS.iter().filter(|(makes, _)| *makes > version) {
        run(session, &statements.filled(migration))?;
    }
    if let Some((uuid, version)) = ours {
        if version < VERSION {
            tx.execute("UPDATE @BATCH_SCHEMA SET VERSION = $1", &[&VERSION])?;
        }
        return Ok(uuid);
    }
    let uuid = uuid::Uuid::new_v4().to_string();
    tx.execute("INSERT INTO @BATCH_SCHEMA (VERSION, REPOSITORY) VALUES ($1, $2)", &[&VERSION, &uuid])?;
    Ok(uuid)
}

/// Runs one of the framework's own scripts, which errors need not quote.
fn run(session: &Session, script: &str) -> Result<(), InnerError> {
    Ok(session.batch_execute(script).map_err(PgError::without_statement)?)
}

/// The tables that exist. Refuses those of a newer program.
fn present(session: &Session, statements: &Statements, database: &Postgres) -> Result<Present, InnerError> {
    let tx = Tx { session, statements };
    let exists = tx.query_one(
        "SELECT to_regclass($1) IS NOT NULL, to_regclass($2) IS NOT NULL",
        &[&statements.filled("@BATCH_SCHEMA"), &statements.filled("@BATCH_JOB_INSTANCE")],
    )?;
    let (ours, spring): (bool, bool) = (get(&exists, 0)?, get(&exists, 1)?);
    if !ours {
        return Ok(Present { ours: None, spring });
    }
    let row = tx
        .query_opt("SELECT REPOSITORY, VERSION FROM @BATCH_SCHEMA", &[])?
        .ok_or_else(|| InnerError::Corrupt("table BATCH_SCHEMA is empty".to_owned()))?;
    let (uuid, version): (String, i64) = (get(&row, 0)?, get(&row, 1)?);
    if version > VERSION {
        let what = format!(
            "has schema version {version}, but this program supports at most version {VERSION}: use a newer program, or another `?schema=`"
        );
        return Err(unusable(database.place(), what).into());
    }
    Ok(Present { ours: Some((uuid, version)), spring })
}

/// Refuses a repository of Spring Batch in which an instance has several executions that count as running, because at
/// most one of them can really be running.
fn refuse_two_running(
    session: &Session,
    statements: &Statements,
    database: &Postgres,
) -> Result<(), InnerError> {
    let stuck = session.query(
        &statements.filled(
            "SELECT i.JOB_NAME, string_agg(e.JOB_EXECUTION_ID::text, ' and ' ORDER BY e.JOB_EXECUTION_ID)
             FROM @BATCH_JOB_EXECUTION e JOIN @BATCH_JOB_INSTANCE i USING (JOB_INSTANCE_ID)
             WHERE e.STATUS IN ('STARTING', 'STARTED', 'STOPPING')
             GROUP BY i.JOB_INSTANCE_ID, i.JOB_NAME HAVING count(*) > 1",
        ),
        &[],
    )?;
    let Some(row) = stuck.first() else { return Ok(()) };
    let (job, executions): (String, String) = (get(row, 0)?, get(row, 1)?);
    let what = format!(
        "executions {executions} of one instance of job `{job}` are marked as running, although at most one can be: find out which of them have no process any more, set their STATUS to FAILED, and give them an END_TIME"
    );
    Err(unusable(database.place(), what).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_before_version_13_are_too_old() {
        let refusal = |is: &str| {
            Some(format!(
                "the server is PostgreSQL {is}, and version 13 is the oldest that works: name a newer server"
            ))
        };
        assert_eq!(too_old(90_624), refusal("9.6"));
        assert_eq!(too_old(120_020), refusal("12"));
        assert_eq!(too_old(130_000), None);
        assert_eq!(too_old(180_001), None);
    }
}
