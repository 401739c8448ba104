//! Decides whether a failure is skipped, and keeps the skips of a chunk until the chunk is committed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::sync::Arc;

use nix::errno::Errno;

use crate::definition::{Failure, FaultRules, Phase, SkipRule};
use crate::engine::chunk::checkpoint;
use crate::engine::faults::retry::Retrying;
use crate::engine::faults::skip_count::SkipCount;
#[cfg(feature = "postgres")]
use crate::postgres::PgError;
#[cfg(feature = "postgres")]
use crate::readers::PostgresReadError;
use crate::readers::{ReadError, SqliteReadError};
use crate::repository::{Counters, SkipPhase, SkipRoom, SkippedItem};
use crate::writers::WriteError;

/// A record or item that is skipped with the chunk.
#[derive(Debug)]
pub(crate) struct Skip<In> {
    pub(crate) phase: SkipPhase,
    /// The number of its record in the chunk.
    pub(crate) source: u32,
    pub(crate) failure: Failure,
    pub(crate) item: Skipped<In>,
}

/// The item that is skipped, if the engine still has it.
#[derive(Debug)]
pub(crate) enum Skipped<In> {
    /// No item: the record could not be read, or a processor has consumed its item.
    Gone,
    /// An item as it was read, which could not be processed.
    Read(In),
    /// An item that could not be written, by its index in the chunk.
    Unwritten(usize),
}

impl<In> Skipped<In> {
    /// A skipped item that could not be processed; [`Gone`](Self::Gone) if `item` is `None`.
    pub(crate) fn read(item: Option<In>) -> Self {
        item.map_or(Self::Gone, Self::Read)
    }

    /// The item as it was read, if the engine still has it.
    pub(crate) fn as_read(&self) -> Option<&In> {
        match self {
            Self::Read(item) => Some(item),
            Self::Gone | Self::Unwritten(_) => None,
        }
    }
}

impl<In> Skip<In> {
    fn record(&self, base: &str) -> Result<SkippedItem, Failure> {
        Ok(SkippedItem {
            phase: self.phase,
            position: checkpoint::record_at(base, self.source)?,
            location: self.failure.location().map(str::to_owned),
            error: self.failure.to_string(),
            item: self.failure.record().map(str::to_owned),
        })
    }
}

/// Applies the skip rules of a step, and keeps the skips of the current chunk.
pub(crate) struct SkipRules<'r, In> {
    faults: &'static FaultRules,
    pub(crate) retrying: &'r Retrying,
    /// The number of skips of the step. It includes the skips of earlier executions of the instance, the skips of
    /// other partitions, and `skips`.
    skipped: SkipCount,
    skips: Vec<Skip<In>>,
    /// Converts an item to JSON.
    json: fn(&In) -> Option<String>,
}

/// The reason why a failure is not skipped although a rule covers it.
fn reached(what: &str, limit: u64) -> String {
    format!("`{what}` may be skipped, but the step has reached its limit of {limit}")
}

impl<'r, In> SkipRules<'r, In> {
    pub(crate) fn new(
        faults: &'static FaultRules,
        retrying: &'r Retrying,
        before: &Counters,
        json: fn(&In) -> Option<String>,
    ) -> Self {
        Self { faults, retrying, skipped: retrying.skipped(before.skips()), skips: Vec::new(), json }
    }

    /// Returns the failure as `Ok` if a rule skips it and the limit of the rule is not reached, else as `Err` with the
    /// reason.
    pub(crate) fn allows(&self, failure: Failure) -> Result<Failure, Failure> {
        self.allows_after(self.skipped.get(), failure)
    }

    fn allows_after(&self, so_far: u64, failure: Failure) -> Result<Failure, Failure> {
        if is_never_skipped(&failure) {
            return Err(failure);
        }
        if failure.phase() == Some(Phase::Write) && is_of_the_target(&failure) {
            return Err(failure.with_note("no item is at fault, so none is skipped"));
        }
        match self.faults.skipped_by(&failure, so_far) {
            None => Err(match self.faults.hidden_in(&failure) {
                Some(name) => failure.with_note(format!(
                    "the step has a rule for `{name}`, which is inside this error and not among its sources, as with `#[error(transparent)]`: name the variant that holds it, such as `LoadError::Parse(_)`"
                )),
                None => failure,
            }),
            Some(rule) => match rule.limit {
                Some(limit) if so_far >= limit => {
                    Err(failure.with_note(reached(rule.what, limit)))
                }
                _ => Ok(failure),
            },
        }
    }

    /// Skips a record or item, or returns the failure if no rule allows that.
    #[cold]
    pub(crate) fn skip(
        &mut self,
        phase: SkipPhase,
        source: u32,
        failure: Failure,
        item: Skipped<In>,
    ) -> Result<(), Failure> {
        let mut failure = failure;
        loop {
            let so_far = self.skipped.get();
            failure = self.allows_after(so_far, failure)?;
            if self.skipped.add(so_far) {
                break;
            }
        }
        tracing::info!(%failure, "skipped");
        if let Skipped::Read(item) = &item {
            failure = failure.carrying((self.json)(item));
        }
        self.skips.push(Skip { phase, source, failure, item });
        Ok(())
    }

    /// The room that the commit of these skips needs under the limits of their rules; `None` if only this process skips
    /// items of the step.
    pub(crate) fn room(&self, skips: &[&Skip<In>]) -> Option<SkipRoom> {
        let step = self.skipped.of_all()?;
        let so_far = self.skipped.get();
        let room = (0..).zip(skips).filter_map(|(before, skip)| {
            let limit = self.faults.skipped_by(&skip.failure, so_far)?.limit?;
            Some(limit.saturating_sub(before))
        });
        room.min().map(|below| SkipRoom { step: Arc::clone(step), below })
    }

    /// The failure of a chunk whose skips have no room, after `so_far` skips of all partitions together.
    pub(crate) fn out_of_room(&mut self, so_far: u64) -> Option<Failure> {
        self.skipped.raise_to(so_far + self.skips.len() as u64);
        let (failure, _) = self.take_first()?;
        Some(match self.faults.skipped_by(&failure, so_far) {
            Some(SkipRule { what, limit: Some(limit), .. }) => failure.with_note(reached(what, *limit)),
            _ => failure,
        })
    }

    /// Discards the skips that are not committed. Returns the first of them in the order of the input, and their
    /// number.
    pub(crate) fn take_first(&mut self) -> Option<(Failure, u64)> {
        let count = self.skips.len();
        self.skipped.take_back(count);
        let first = std::mem::take(&mut self.skips).into_iter().min_by_key(|skip| skip.source)?;
        Some((first.failure, count as u64))
    }

    pub(crate) fn len(&self) -> usize {
        self.skips.len()
    }

    /// Takes back all skips but the first `len`.
    pub(crate) fn forget(&mut self, len: usize) {
        self.skipped.take_back(self.skips.len().saturating_sub(len));
        self.skips.truncate(len);
    }

    /// The numbers of the skipped records in a range whose places are not known yet.
    pub(crate) fn unplaced(&self, records: &Range<u32>) -> BTreeSet<u32> {
        let skips = self.skips.iter().filter(|skip| records.contains(&skip.source));
        skips.filter(|skip| skip.failure.location().is_none()).map(|skip| skip.source).collect()
    }

    /// Adds places to the skips that have none.
    pub(crate) fn place(&mut self, places: &BTreeMap<u32, String>) {
        for skip in &mut self.skips {
            if let Some(place) = places.get(&skip.source) {
                skip.failure.place(place.clone());
            }
        }
    }

    /// The skips of the records of a range, in the order of the input.
    pub(crate) fn of(&self, records: &Range<u32>) -> Vec<&Skip<In>> {
        let mut skips: Vec<&Skip<In>> =
            self.skips.iter().filter(|skip| records.contains(&skip.source)).collect();
        skips.sort_by_key(|skip| skip.source);
        skips
    }

    /// The skips as they are stored. `base` is the place where the chunk begins.
    pub(crate) fn records(skips: &[&Skip<In>], base: &str) -> Result<Vec<SkippedItem>, Failure> {
        skips.iter().map(|skip| skip.record(base)).collect()
    }

    /// Adds the skips to the counters.
    pub(crate) fn count(skips: &[&Skip<In>], counters: &mut Counters) {
        for skip in skips {
            match skip.phase {
                SkipPhase::Read => counters.read_skip += 1,
                SkipPhase::Process => counters.process_skip += 1,
                SkipPhase::Write => counters.write_skip += 1,
            }
        }
    }

    /// Removes and returns the skips of a range, which are now committed.
    pub(crate) fn settle(&mut self, records: &Range<u32>) -> Vec<Skip<In>> {
        let (settled, left): (Vec<Skip<In>>, Vec<Skip<In>>) =
            std::mem::take(&mut self.skips).into_iter().partition(|skip| records.contains(&skip.source));
        self.skips = left;
        settled
    }
}

/// Takes back the count of skips that were not committed.
impl<In> Drop for SkipRules<'_, In> {
    fn drop(&mut self) {
        self.skipped.take_back(self.skips.len());
    }
}

/// Returns whether a failure fails the step no matter what the rules say.
///
/// This includes an error that a reader of the framework reports for its whole input, even if a user's reader wraps
/// it and claims to step over it: the same error would be reported forever.
pub(crate) fn is_never_skipped(failure: &Failure) -> bool {
    failure.is_interrupted()
        || failure.is_fatal()
        || failure.phase() == Some(Phase::Read)
            && (failure.find::<ReadError>().is_some_and(|error| !error.is_about_a_record())
                || failure.find::<SqliteReadError>().is_some_and(|error| !error.is_about_a_row())
                || is_of_a_query(failure)
                || is_of_a_page(failure))
}

/// Returns whether the failure is an error that the reader of HTTP pages reports for a whole page.
#[cfg(feature = "http")]
fn is_of_a_page(failure: &Failure) -> bool {
    use crate::readers::http::HttpError;
    failure.find::<HttpError>().is_some_and(|error| !error.is_about_an_item())
}

#[cfg(not(feature = "http"))]
fn is_of_a_page(_: &Failure) -> bool {
    false
}

/// Returns whether the failure is an error that the reader of `PostgreSQL` reports for its whole query.
#[cfg(feature = "postgres")]
fn is_of_a_query(failure: &Failure) -> bool {
    failure.find::<PostgresReadError>().is_some_and(|error| !error.is_about_a_row())
}

#[cfg(not(feature = "postgres"))]
fn is_of_a_query(_: &Failure) -> bool {
    false
}

/// Returns whether the target itself fails, whatever is written to it: a full or failing disk, a damaged or locked
/// database, or a file that takes no records of this form. Otherwise a rule for errors of items would skip good items one by one.
pub(crate) fn is_of_the_target(failure: &Failure) -> bool {
    use rusqlite::ErrorCode::{
        CannotOpen, DatabaseBusy, DatabaseCorrupt, DatabaseLocked, DiskFull, NotADatabase, OutOfMemory,
        ReadOnly, SystemIoFailure,
    };
    let of_sqlite =
        failure.find::<rusqlite::Error>().and_then(rusqlite::Error::sqlite_error_code).is_some_and(|code| {
            [
                CannotOpen,
                DatabaseBusy,
                DatabaseCorrupt,
                DatabaseLocked,
                DiskFull,
                NotADatabase,
                OutOfMemory,
                ReadOnly,
                SystemIoFailure,
            ]
            .contains(&code)
        });
    let of_disk = failure.find::<io::Error>().is_some_and(|error| {
        [ErrorKind::StorageFull, ErrorKind::QuotaExceeded, ErrorKind::ReadOnlyFilesystem]
            .contains(&error.kind())
            || error.raw_os_error() == Some(Errno::EIO as i32)
    });
    let of_file = failure.find::<WriteError>().is_some_and(WriteError::is_about_the_whole_file);
    of_sqlite || of_disk || of_file || of_server(failure)
}

#[cfg(feature = "postgres")]
fn of_server(failure: &Failure) -> bool {
    failure.find::<PgError>().is_some_and(|error| error.is_connection() || error.is_stopped())
}

#[cfg(not(feature = "postgres"))]
fn of_server(_: &Failure) -> bool {
    false
}

/// Returns whether the database itself asks for the whole transaction to be repeated, or lost it with its connection.
/// No rule is needed for that, and none is used.
#[cfg(feature = "postgres")]
pub(crate) fn repeats_by_itself(failure: &Failure) -> bool {
    of_server(failure) || failure.find::<PgError>().is_some_and(PgError::is_serialization)
}

#[cfg(not(feature = "postgres"))]
pub(crate) fn repeats_by_itself(_: &Failure) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_sqlite(code: std::ffi::c_int) -> Failure {
        Failure::new(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None))
    }

    #[test]
    fn a_full_disk_is_a_fault_of_the_target() {
        assert!(is_of_the_target(&of_sqlite(rusqlite::ffi::SQLITE_FULL)));
        assert!(is_of_the_target(&Failure::new(io::Error::from(ErrorKind::StorageFull))));
        assert!(is_of_the_target(&Failure::new(io::Error::from_raw_os_error(Errno::EIO as i32))));
    }

    #[test]
    fn a_violated_constraint_is_a_fault_of_the_item() {
        assert!(!is_of_the_target(&of_sqlite(rusqlite::ffi::SQLITE_CONSTRAINT)));
        assert!(!is_of_the_target(&Failure::new(io::Error::other("refused"))));
        let path = || "out.csv".into();
        assert!(is_of_the_target(&Failure::new(WriteError::Changed { path: path(), how: String::new() })));
        let of_item = WriteError::Item { path: path(), record: 1, field: None, problem: String::new() };
        assert!(!is_of_the_target(&Failure::new(of_item)));
    }
}
