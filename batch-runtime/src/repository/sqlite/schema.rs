//! Creates the tables in an open file, or brings those of an earlier version up to date, or explains why it cannot.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OptionalExtension, Transaction, TransactionBehavior};

use super::error::{InnerError, unusable};

/// The tables of the current version. Every start of a job with a new file waits for these statements. The migrations
/// make the same tables, but take twice as long, because later ones change what earlier ones have made.
const TABLES: &str = include_str!("../schema/sqlite.sql");

/// The statements that lead from each version to the next, and in the end to the same tables as [`TABLES`].
pub(super) const MIGRATIONS: [(u16, &str); 7] = [
    (1, include_str!("../schema/sqlite_1.sql")),
    (2, include_str!("../schema/sqlite_2.sql")),
    (3, include_str!("../schema/sqlite_3.sql")),
    (4, include_str!("../schema/sqlite_4.sql")),
    (5, include_str!("../schema/sqlite_5.sql")),
    (6, include_str!("../schema/sqlite_6.sql")),
    (7, include_str!("../schema/sqlite_7.sql")),
];

/// The version of the schema that this program writes.
pub(super) const VERSION: u16 = MIGRATIONS[MIGRATIONS.len() - 1].0;

/// The repository in a file: its ID and the version of its tables.
struct Present {
    uuid: String,
    version: u16,
}

/// Brings the schema up to date and returns the repository's ID.
pub(super) fn prepare(
    connection: &Connection,
    path: &Path,
    creates: bool,
    wait: Duration,
) -> Result<String, InnerError> {
    let present = present(connection, path, creates)?;
    if !creates {
        let Some(present) = present else {
            return Err(unusable(path, "holds no repository: `run` creates one").into());
        };
        if present.version < VERSION {
            migrate_if_possible(connection, path)?;
        }
        return Ok(present.uuid);
    }
    use_wal(connection, path, wait)?;
    if let Some(Present { uuid, version: VERSION }) = present {
        return Ok(uuid);
    }
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    let uuid = create_or_migrate(&transaction, path)?;
    transaction.commit()?;
    Ok(uuid)
}

/// Creates or updates the tables. Called inside a write transaction, because another process may have been faster.
fn create_or_migrate(connection: &Connection, path: &Path) -> Result<String, InnerError> {
    let Some(Present { uuid, version }) = present(connection, path, true)? else {
        connection.execute_batch(TABLES)?;
        let uuid = uuid::Uuid::new_v4().to_string();
        connection
            .execute("INSERT INTO BATCH_SCHEMA (VERSION, REPOSITORY) VALUES (?1, ?2)", (VERSION, &uuid))?;
        return Ok(uuid);
    };
    for (_, migration) in MIGRATIONS.iter().filter(|(makes, _)| *makes > version) {
        connection.execute_batch(migration)?;
    }
    if version < VERSION {
        connection.execute("UPDATE BATCH_SCHEMA SET VERSION = ?1", [VERSION])?;
    }
    Ok(uuid)
}

/// Updates an older repository if it can be written now. Otherwise it still answers queries, and the next
/// launch tries again.
fn migrate_if_possible(connection: &Connection, path: &Path) -> Result<(), InnerError> {
    if connection.is_readonly("main")? {
        return Ok(());
    }
    let transaction = match Transaction::new_unchecked(connection, TransactionBehavior::Immediate) {
        Ok(transaction) => transaction,
        Err(error)
            if matches!(
                error.sqlite_error_code(),
                Some(ErrorCode::DatabaseBusy | ErrorCode::ReadOnly | ErrorCode::CannotOpen)
            ) =>
        {
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    create_or_migrate(&transaction, path)?;
    Ok(transaction.commit()?)
}

/// Updates an older repository inside a write transaction.
pub(super) fn migrate(connection: &Connection, path: &Path) -> Result<(), InnerError> {
    let version: u16 =
        connection.prepare_cached("SELECT VERSION FROM BATCH_SCHEMA")?.query_row([], |row| row.get(0))?;
    if version < VERSION { create_or_migrate(connection, path).map(|_| ()) } else { Ok(()) }
}

/// The existing repository, if any. Creating one next to the tables of another framework is refused.
fn present(connection: &Connection, path: &Path, creates: bool) -> Result<Option<Present>, InnerError> {
    // One statement, since another process may create the whole repository between two statements.
    let (ours, any): (bool, bool) = connection.query_row(
        "SELECT COALESCE(MAX(name = 'BATCH_SCHEMA'), 0), COUNT(*) FROM sqlite_schema
         WHERE type = 'table' AND name IN ('BATCH_SCHEMA', 'BATCH_JOB_INSTANCE')",
        [],
        |row| Ok((row.get(0)?, row.get::<_, i64>(1)? > 0)),
    )?;
    if !ours && any && creates {
        let what = "holds the tables of another batch framework: name another file";
        return Err(unusable(path, what).into());
    }
    if !ours {
        return Ok(None);
    }
    let row = connection
        .query_row("SELECT VERSION, REPOSITORY FROM BATCH_SCHEMA", [], |row| {
            Ok((row.get::<_, i64>(0)?, row.get(1)?))
        })
        .optional()?;
    let Some((version, uuid)) = row else {
        return Err(InnerError::Corrupt("table BATCH_SCHEMA is empty".to_owned()));
    };
    match u16::try_from(version) {
        Ok(version @ 1..=VERSION) => Ok(Some(Present { uuid, version })),
        _ if version > 0 => Err(unusable(
            path,
            format!(
                "has schema version {version}, but this program supports at most version {VERSION}: use a newer program, or another file"
            ),
        )
        .into()),
        _ => Err(InnerError::Corrupt(format!("there is no schema of version {version}"))),
    }
}

/// Switches the file to WAL. `SQLite` does not always wait on its own for the lock that this needs.
fn use_wal(connection: &Connection, path: &Path, wait: Duration) -> Result<(), InnerError> {
    let until = Instant::now() + wait;
    loop {
        match connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0)) {
            Ok(mode) if mode == "wal" => return Ok(()),
            Ok(_) => {
                return Err(unusable(
                    path,
                    "is on a disk where SQLite cannot use WAL: put it on a local disk",
                )
                .into());
            }
            Err(error)
                if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy)
                    && Instant::now() < until =>
            {
                std::thread::sleep(Duration::from_millis(2));
            }
            Err(error) => return Err(error.into()),
        }
    }
}
