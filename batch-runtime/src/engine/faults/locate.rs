//! Finds the places of records in the input for failures that show up only after the reader has moved past them.

use std::collections::{BTreeMap, BTreeSet};

use crate::definition::{Failure, Phase, Reader};
use crate::engine::chunk::checkpoint::{self, Place};
use crate::engine::faults::panic;

/// Finds the place of each failure that has none, by reading from `base` again with a second reader. If that is not
/// possible, the failures are reported without a place.
#[cold]
pub(crate) fn locate<'f, R: Reader>(
    failures: impl IntoIterator<Item = (u32, &'f mut Failure)>,
    base: &str,
    open: impl FnOnce() -> Result<R, Failure>,
) {
    let mut unplaced: Vec<_> =
        failures.into_iter().filter(|(_, failure)| failure.location().is_none()).collect();
    if unplaced.is_empty() {
        return;
    }
    let sources: BTreeSet<u32> = unplaced.iter().map(|(source, _)| *source).collect();
    let places = find(&sources, base, open);
    for (source, failure) in &mut unplaced {
        if let Some(place) = places.get(source) {
            failure.place(place.clone());
        }
    }
}

/// The place of a panic, which happened at the record with the number `record` within its chunk.
///
/// A panic of a processor is placed at the record. A panic of a reader is placed after the previous record, because a
/// second reader would panic at the same record. `find` returns the place of a record; for `None` it returns the
/// place of the previous chunk's last record.
#[cold]
pub(crate) fn of_panic(
    phase: Phase,
    record: u32,
    find: impl FnOnce(Option<u32>) -> Option<String>,
) -> Option<String> {
    match phase {
        Phase::Read => find(record.checked_sub(1)).map(|place| format!("after {place}")),
        _ => find(Some(record)),
    }
}

/// The place of one record, by its number. See [`find`].
#[cold]
pub(crate) fn find_one<R: Reader>(
    record: u32,
    base: &str,
    open: impl FnOnce() -> Result<R, Failure>,
) -> Option<String> {
    find(&BTreeSet::from([record]), base, open).remove(&record)
}

/// The places of the records with these numbers, counted from `base`. Those that cannot be found are left out.
#[cold]
pub(crate) fn find<R: Reader>(
    sources: &BTreeSet<u32>,
    base: &str,
    open: impl FnOnce() -> Result<R, Failure>,
) -> BTreeMap<u32, String> {
    let mut places = BTreeMap::new();
    let find = || -> Result<(), Failure> {
        let mut reader = open()?;
        let Place { at, ahead, .. } = checkpoint::decode_place(base)?;
        reader.resume(at).map_err(Failure::new)?;
        checkpoint::pass(&mut reader, ahead)?;
        let mut passed = 0;
        for source in sources {
            checkpoint::pass(&mut reader, u64::from(*source) + 1 - passed)?;
            passed = u64::from(*source) + 1;
            places.extend(reader.location().map(|place| (*source, place)));
        }
        Ok(())
    };
    if let Err(failure) = panic::catch(find).and_then(|found| found) {
        tracing::debug!(%failure, "cannot find the places of failures");
    }
    places
}
