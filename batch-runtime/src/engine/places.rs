//! Receives: numbers of records behind a position. Gives: where each stands in the input, for failures that are found out when the
//! reader is past them.

use std::collections::{BTreeMap, BTreeSet};

use super::checkpoint::{self, Place};
use super::panic;
use crate::definition::{Failure, Reader};

/// Names the place of each failure that has none, by reading once more from `base` with a reader of its own. Where that
/// is not possible, the failures are told without.
#[cold]
pub(super) fn locate<'f, R: Reader>(
    failures: impl IntoIterator<Item = (u32, &'f mut Failure)>,
    base: &str,
    anew: impl FnOnce() -> Result<R, Failure>,
) {
    let mut unplaced: Vec<_> =
        failures.into_iter().filter(|(_, failure)| failure.location().is_none()).collect();
    if unplaced.is_empty() {
        return;
    }
    let sources: BTreeSet<u32> = unplaced.iter().map(|(source, _)| *source).collect();
    let find = || -> Result<BTreeMap<u32, String>, Failure> {
        let mut reader = anew()?;
        let Place { at, ahead, .. } = checkpoint::decode_place(base)?;
        reader.resume(at).map_err(Failure::new)?;
        checkpoint::pass(&mut reader, ahead)?;
        let (mut places, mut passed) = (BTreeMap::new(), 0);
        for source in sources {
            checkpoint::pass(&mut reader, u64::from(source) + 1 - passed)?;
            passed = u64::from(source) + 1;
            places.extend(reader.location().map(|place| (source, place)));
        }
        Ok(places)
    };
    match panic::catch(find).and_then(|places| places) {
        Err(failure) => tracing::debug!(%failure, "the places of failures are not known"),
        Ok(places) => {
            for (source, failure) in &mut unplaced {
                if let Some(place) = places.get(source) {
                    failure.place(place.clone());
                }
            }
        }
    }
}
