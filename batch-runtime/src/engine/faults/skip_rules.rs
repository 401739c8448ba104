//! Receives: what failed while a chunk was made. Gives: whether the step skips it, and the record of what it skips, kept until the
//! chunk is committed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::ops::Range;

use nix::errno::Errno;

use crate::definition::{Failure, Faults, Phase};
use crate::engine::chunk::checkpoint;
use crate::engine::faults::retry::Retrying;
use crate::engine::faults::skip_count::SkipCount;
use crate::readers::{ReadError, SqliteReadError};
use crate::repository::{Counters, SkipPhase, SkippedItem};

/// Something that is skipped with the chunk.
#[derive(Debug)]
pub(crate) struct Skip<In> {
    pub(crate) phase: SkipPhase,
    /// The number of its record in the chunk.
    pub(crate) source: u32,
    pub(crate) failure: Failure,
    pub(crate) item: Skipped<In>,
}

/// What is skipped.
#[derive(Debug)]
pub(crate) enum Skipped<In> {
    /// What could not be read, or is gone.
    Gone,
    /// An item that could not be processed.
    Read(In),
    /// An item that could not be written: its place in the chunk.
    Unwritten(usize),
}

impl<In> Skipped<In> {
    /// An item that could not be processed, where it is there.
    pub(crate) fn read(item: Option<In>) -> Self {
        item.map_or(Self::Gone, Self::Read)
    }

    /// The item that was read.
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

/// Decides about faults, and keeps the skips of the chunk at hand.
pub(crate) struct SkipRules<'r, In> {
    faults: &'static Faults,
    pub(crate) retrying: &'r Retrying,
    /// What the step skipped, in earlier executions of the instance and in other partitions too, `skips` included.
    skipped: SkipCount,
    skips: Vec<Skip<In>>,
    /// An item as JSON.
    json: fn(&In) -> Option<String>,
}

impl<'r, In> SkipRules<'r, In> {
    pub(crate) fn new(
        faults: &'static Faults,
        retrying: &'r Retrying,
        before: &Counters,
        json: fn(&In) -> Option<String>,
    ) -> Self {
        Self { faults, retrying, skipped: retrying.skipped(before.skips()), skips: Vec::new(), json }
    }

    /// Does a rule skip it, and is its limit not reached? The failure comes back, with what forbids it.
    pub(crate) fn allows(&self, failure: Failure) -> Result<Failure, Failure> {
        self.allows_after(self.skipped.get(), failure)
    }

    fn allows_after(&self, so_far: u64, failure: Failure) -> Result<Failure, Failure> {
        if is_never_skipped(&failure) {
            return Err(failure);
        }
        if failure.phase() == Some(Phase::Write) && is_of_the_target(&failure) {
            return Err(failure.noting("no item is at fault, so none is skipped"));
        }
        match self.faults.skipped_by(&failure, so_far) {
            None => Err(match self.faults.hidden_in(&failure) {
                Some(name) => failure.noting(format!(
                    "the step has a rule for `{name}`, which is inside this error and not among its sources, as with `#[error(transparent)]`: name the variant that holds it, as `LoadError::Parse(_)`"
                )),
                None => failure,
            }),
            Some(rule) => match rule.limit {
                Some(limit) if so_far >= limit => {
                    let skipped = rule.what;
                    Err(failure.noting(format!(
                        "`{skipped}` is skipped, but the step has skipped the {limit} that it may"
                    )))
                }
                _ => Ok(failure),
            },
        }
    }

    /// Skips it, or gives the failure back.
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

    /// Gives up the skips that are not committed: the first of them, in the order of the input, and how many they were.
    pub(crate) fn take_first(&mut self) -> Option<(Failure, u64)> {
        let count = self.skips.len();
        self.skipped.take_back(count);
        let first = std::mem::take(&mut self.skips).into_iter().min_by_key(|skip| skip.source)?;
        Some((first.failure, count as u64))
    }

    pub(crate) fn len(&self) -> usize {
        self.skips.len()
    }

    /// Takes back what was skipped since there were `len`.
    pub(crate) fn forget(&mut self, len: usize) {
        self.skipped.take_back(self.skips.len().saturating_sub(len));
        self.skips.truncate(len);
    }

    /// The numbers of the records of a range that are skipped and have no place yet.
    pub(crate) fn unplaced(&self, records: &Range<u32>) -> BTreeSet<u32> {
        let skips = self.skips.iter().filter(|skip| records.contains(&skip.source));
        skips.filter(|skip| skip.failure.location().is_none()).map(|skip| skip.source).collect()
    }

    /// Names the places of skips that have none.
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

    /// As they are stored; `base` is the place where the chunk begins.
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

    /// The skips of the range are committed; gives them.
    pub(crate) fn settle(&mut self, records: &Range<u32>) -> Vec<Skip<In>> {
        let (settled, left): (Vec<Skip<In>>, Vec<Skip<In>>) =
            std::mem::take(&mut self.skips).into_iter().partition(|skip| records.contains(&skip.source));
        self.skips = left;
        settled
    }
}

/// What is not committed was not skipped.
impl<In> Drop for SkipRules<'_, In> {
    fn drop(&mut self) {
        self.skipped.take_back(self.skips.len());
    }
}

/// Does it fail the step whatever the rules say? So does an error that one of our readers has for its whole input, also where a
/// reader of the user's own wraps it and says that it steps over it: it would come again for ever.
pub(crate) fn is_never_skipped(failure: &Failure) -> bool {
    failure.is_interrupted()
        || failure.is_fatal()
        || failure.phase() == Some(Phase::Read)
            && (failure.find::<ReadError>().is_some_and(|error| !error.is_about_a_record())
                || failure.find::<SqliteReadError>().is_some_and(|error| !error.is_about_a_row()))
}

/// Does the target itself fail, whatever is written: a full or failing disk, a damaged or locked database? A rule for the errors of
/// items would else skip good ones, one after the other.
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
    of_sqlite || of_disk
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_sqlite(code: std::ffi::c_int) -> Failure {
        Failure::new(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None))
    }

    #[test]
    fn a_full_disk_is_no_fault_of_an_item() {
        assert!(is_of_the_target(&of_sqlite(rusqlite::ffi::SQLITE_FULL)));
        assert!(is_of_the_target(&Failure::new(io::Error::from(ErrorKind::StorageFull))));
        assert!(is_of_the_target(&Failure::new(io::Error::from_raw_os_error(Errno::EIO as i32))));
    }

    #[test]
    fn a_broken_constraint_is_one() {
        assert!(!is_of_the_target(&of_sqlite(rusqlite::ffi::SQLITE_CONSTRAINT)));
        assert!(!is_of_the_target(&Failure::new(io::Error::other("refused"))));
    }
}
