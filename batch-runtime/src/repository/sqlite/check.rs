//! Looks for damage in the file, and for a lack of space.

use std::sync::Arc;

use rusqlite::{Connection, ErrorCode};

use super::connections::Shared;
use super::error::InnerError;
use super::lock::with_suffix;
use super::schema;
use crate::definition::Durability;

/// A log that no checkpoint could empty.
const LONG_LOG: u64 = 256 << 20;
/// Less room than this is soon used up.
const LITTLE_ROOM: u64 = 100 << 20;

fn quick_check(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    connection.prepare("PRAGMA quick_check(5)")?.query_map([], |row| row.get(0))?.collect()
}

/// Returns each problem with its remedy.
pub(super) fn check(shared: &Arc<Shared>) -> Result<Vec<(String, String)>, InnerError> {
    let mut found = Vec::new();
    let place = shared.path.display();
    let connection = shared.lend(Durability::Machine)?;
    let said = quick_check(&connection).or_else(|error| match error.sqlite_error_code() {
        // Some damage ends even the check.
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
        if free < LITTLE_ROOM {
            let what = format!("the file system of repository {place} has only {} MiB left", free >> 20);
            let remedy = "make room, for example with `purge --older-than 90d --vacuum --yes`";
            found.push((what, remedy.to_owned()));
        }
    }
    Ok(found)
}
