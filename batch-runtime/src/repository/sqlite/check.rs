//! Looks for damage in the file, and for a lack of space.

use std::sync::Arc;

use rusqlite::{Connection, ErrorCode};

use super::connections::Shared;
use super::error::InnerError;
use super::lock::with_suffix;
use super::schema;
use crate::definition::Durability;

/// From this size on, a write-ahead log counts as one that no checkpoint could empty.
const LONG_LOG: u64 = 256 << 20;
/// Less room than this is soon used up.
const LITTLE_ROOM: u64 = 100 << 20;
/// Room for fewer executions than this is soon used up, too.
const FEW: u64 = 5;

fn quick_check(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    connection.prepare("PRAGMA quick_check(5)")?.query_map([], |row| row.get(0))?.collect()
}

/// How much the file has grown, and how much it can still grow. All fields but `executions` are in bytes.
#[derive(Debug, Clone, Copy)]
struct Room {
    /// Left in the file system.
    free: u64,
    /// Used in the file, by its own tables and by those of the jobs.
    used: u64,
    /// Left in the file, for example by a purge.
    reusable: u64,
    /// The executions that the file records.
    executions: u64,
}

impl Room {
    /// Reads the sizes of the file; the free space is not among them.
    fn of(connection: &Connection) -> rusqlite::Result<Self> {
        let number = |sql: &str| {
            let number = connection.query_row(sql, [], |row| row.get::<_, i64>(0))?;
            Ok::<_, rusqlite::Error>(u64::try_from(number).unwrap_or_default())
        };
        let page = number("PRAGMA page_size")?;
        let (pages, unused) = (number("PRAGMA page_count")?, number("PRAGMA freelist_count")?);
        Ok(Self {
            free: 0,
            used: pages.saturating_sub(unused) * page,
            reusable: unused * page,
            executions: number("SELECT COUNT(*) FROM BATCH_JOB_EXECUTION")?,
        })
    }

    /// The number of bytes by which the file has grown for each execution.
    fn growth(self) -> u64 {
        self.used / self.executions.max(1)
    }

    fn is_scarce(self) -> bool {
        self.executions > 0 && self.free.saturating_add(self.reusable) / FEW < self.growth()
    }
}

/// Returns each problem with its remedy.
pub(super) fn check(shared: &Arc<Shared>) -> Result<Vec<(String, String)>, InnerError> {
    let mut found = Vec::new();
    let place = shared.path.display();
    let connection = shared.lend(Durability::Machine)?;
    let said = quick_check(&connection).or_else(|error| match error.sqlite_error_code() {
        // Some damage makes even the check fail.
        Some(ErrorCode::DatabaseCorrupt) => Ok(vec![error.to_string()]),
        _ => Err(error),
    })?;
    if said != ["ok"] {
        let what = format!("repository {place} is damaged: {}", said.join("; "));
        found.push((what, "stop all jobs, and restore the file from a backup".to_owned()));
    }
    let version: u16 = connection.query_row("SELECT VERSION FROM BATCH_SCHEMA", [], |row| row.get(0))?;
    if version < schema::VERSION {
        let what = format!(
            "repository {place} has tables of version {version}, and this program has version {}",
            schema::VERSION
        );
        let remedy = "make the file and its folder writable: the next launch brings the tables up to date";
        found.push((what, remedy.to_owned()));
    }
    let log = with_suffix(&shared.path, "-wal").metadata().map_or(0, |log| log.len());
    if log > LONG_LOG {
        let what = format!("the write-ahead log of repository {place} has grown to {} MiB", log >> 20);
        let remedy =
            "end the process that reads the file without a pause: nothing is written back while it reads";
        found.push((what, remedy.to_owned()));
    }
    let folder = shared.path.parent().unwrap_or(&shared.path);
    if let Ok(stat) = nix::sys::statvfs::statvfs(folder) {
        let free = stat.blocks_available().saturating_mul(stat.fragment_size());
        let scarce = if free < LITTLE_ROOM {
            Some(format!("has only {} MiB left", free >> 20))
        } else {
            let room = Room { free, ..Room::of(&connection)? };
            room.is_scarce().then(|| {
                format!(
                    "has {} MiB left, and the file has grown by {} MiB for each execution",
                    free >> 20,
                    room.growth() >> 20
                )
            })
        };
        if let Some(scarce) = scarce {
            let what = format!("the file system of repository {place} {scarce}");
            let remedy = "make room, for example with `purge --older-than 90d --vacuum --yes`";
            found.push((what, remedy.to_owned()));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn room_is_scarce_if_a_few_executions_like_those_before_would_use_it_up() {
        let room = Room { free: 4 * GIB, used: 20 * GIB, reusable: 0, executions: 20 };
        assert_eq!(room.growth(), GIB);
        assert!(room.is_scarce());
        assert!(!Room { reusable: GIB, ..room }.is_scarce());
        assert!(!Room { executions: 100, ..room }.is_scarce());
        assert!(!Room { executions: 0, ..room }.is_scarce());
    }

    #[test]
    fn the_room_in_a_file_is_that_of_its_pages() {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "CREATE TABLE BATCH_JOB_EXECUTION (ID); INSERT INTO BATCH_JOB_EXECUTION VALUES (1)",
            )
            .unwrap();
        connection.execute_batch("CREATE TABLE big (x); INSERT INTO big VALUES (zeroblob(100000))").unwrap();
        let before = Room::of(&connection).unwrap();
        assert!(before.used > 100_000 && before.reusable == 0 && before.executions == 1, "{before:?}");
        connection.execute_batch("DROP TABLE big").unwrap();
        let after = Room::of(&connection).unwrap();
        assert!(after.used < 100_000 && after.reusable >= 100_000, "{after:?}");
    }
}
