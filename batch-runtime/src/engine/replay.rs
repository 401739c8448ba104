//! Receives: the skipped items of an execution. Gives: where the readers of their steps find them again, and a reader that reads
//! those alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::checkpoint::{self, Place};
use super::journal::Journal;
use crate::definition::{BoxError, ExecutionId, Failure, ParameterValue, Parameters, REPLAY, Reader};
use crate::repository::{JournalEntry, Repository, RepositoryError};

/// The places of what is replayed, by the step's name in its job.
pub(crate) type Places = BTreeMap<String, Vec<String>>;

/// What an execution with those parameters replays; `None` for any other.
pub(super) fn places(
    repository: &Arc<dyn Repository>,
    parameters: &Parameters,
) -> Result<Option<Places>, RepositoryError> {
    execution(parameters).map(|execution| of(repository, execution)).transpose()
}

/// What an execution with those parameters has passed before it begins: all that the execution it replays passed before it came to the
/// first step that skipped anything. What was made there is there, and is not made anew.
pub(super) fn passed(
    repository: &Arc<dyn Repository>,
    parameters: &Parameters,
) -> Result<Vec<JournalEntry>, RepositoryError> {
    execution(parameters).map_or(Ok(Vec::new()), |replayed| before(repository, replayed))
}

fn before(
    repository: &Arc<dyn Repository>,
    replayed: ExecutionId,
) -> Result<Vec<JournalEntry>, RepositoryError> {
    let places = of(repository, replayed)?;
    let journal = journal(repository, replayed)?;
    Ok(journal.into_iter().take_while(|entry| !places.contains_key(&entry.path)).collect())
}

/// All that the instance of an execution has passed, with what was passed before it began.
pub(super) fn journal(
    repository: &Arc<dyn Repository>,
    execution: ExecutionId,
) -> Result<Vec<JournalEntry>, RepositoryError> {
    let mut journal = match replayed_by(repository, execution)? {
        Some(replayed) => before(repository, replayed)?,
        None => Vec::new(),
    };
    journal.extend(repository.journal(execution)?);
    Ok(Journal::new(journal).entries().into_iter().cloned().collect())
}

/// The execution that this one replays.
fn replayed_by(
    repository: &Arc<dyn Repository>,
    execution: ExecutionId,
) -> Result<Option<ExecutionId>, RepositoryError> {
    let parameters = repository.execution(execution)?.parameters;
    Ok(parameters.into_iter().find_map(|parameter| match parameter.value {
        ParameterValue::Long(replayed) if parameter.name == REPLAY => Some(ExecutionId(replayed)),
        _ => None,
    }))
}

/// The execution that one with those parameters replays.
pub(super) fn execution(parameters: &Parameters) -> Option<ExecutionId> {
    match parameters.get(REPLAY).map(|parameter| &parameter.value) {
        Some(ParameterValue::Long(execution)) => Some(ExecutionId(*execution)),
        _ => None,
    }
}

/// The places of what an execution skipped.
fn of(repository: &Arc<dyn Repository>, execution: ExecutionId) -> Result<Places, RepositoryError> {
    let mut places = Places::new();
    for row in repository.skipped_items(execution)? {
        places.entry(row.step).or_default().push(row.item.position);
    }
    if let Some(replayed) = replayed_by(repository, execution)? {
        // It counted in the places of what it replayed itself.
        let inner = of(repository, replayed)?;
        for (step, places) in &mut places {
            let inner = inner.get(step).map(Vec::as_slice).unwrap_or_default();
            for place in places {
                let found = checkpoint::decode_place::<u64>(place)
                    .ok()
                    .and_then(|Place { at, ahead, .. }| inner.get(usize::try_from(at + ahead).ok()?));
                if let Some(found) = found {
                    place.clone_from(found);
                }
            }
        }
    }
    Ok(places)
}

/// Reads the records at certain places of a reader's input, and no others.
pub(super) struct Replayed<'p, R, A> {
    places: &'p [String],
    next: usize,
    /// Opens the reader once more.
    anew: A,
    /// The reader of the last place, the position that it was opened at, and how many records behind it it is.
    open: Option<(R, String, u64)>,
    /// The last error was one about a record.
    steps_over: bool,
}

impl<'p, R: Reader, A: FnMut() -> Result<R, Failure>> Replayed<'p, R, A> {
    pub(super) fn new(places: &'p [String], anew: A) -> Self {
        Self { places, next: 0, anew, open: None, steps_over: true }
    }

    /// The reader, right before the record of a place.
    fn at(&mut self, place: &str) -> Result<&mut R, Failure> {
        let Place { at, ahead, .. } = checkpoint::decode_place::<R::Position>(place)?;
        let base = checkpoint::encode(&at)?;
        let is_on_the_way =
            self.open.as_ref().is_some_and(|(_, opened, passed)| *opened == base && *passed <= ahead);
        if !is_on_the_way {
            self.open = None;
            let mut reader = (self.anew)()?;
            reader.resume(at).map_err(Failure::new)?;
            self.open = Some((reader, base, 0));
        }
        let (reader, _, passed) = self.open.as_mut().expect("was just opened");
        checkpoint::pass(reader, ahead - *passed)?;
        *passed = ahead + 1;
        Ok(reader)
    }
}

impl<R: Reader, A: FnMut() -> Result<R, Failure>> Reader for Replayed<'_, R, A> {
    type Item = R::Item;
    /// How many places were read.
    type Position = u64;
    type Error = BoxError;

    fn read(&mut self) -> Result<Option<R::Item>, BoxError> {
        let Some(place) = self.places.get(self.next) else { return Ok(None) };
        // What keeps it from coming there is about no record.
        self.steps_over = false;
        let reader = self.at(place)?;
        let read = reader.read();
        let steps_over = read.as_ref().map_or_else(|error| reader.steps_over(error), |_| true);
        self.steps_over = steps_over;
        self.next += usize::from(steps_over);
        match read.map_err(Into::into)? {
            Some(item) => Ok(Some(item)),
            None => Err(format!("the input has no record any more where {place} says").into()),
        }
    }

    fn steps_over(&self, _: &BoxError) -> bool {
        self.steps_over
    }

    fn position(&self) -> u64 {
        self.next as u64
    }

    fn resume(&mut self, position: u64) -> Result<(), BoxError> {
        self.next = usize::try_from(position)?;
        Ok(())
    }

    fn location(&self) -> Option<String> {
        self.open.as_ref().and_then(|(reader, ..)| reader.location())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readers::VecReader;

    #[test]
    fn the_records_of_the_places_are_read_and_no_others() {
        let behind = |at: u64, ahead| checkpoint::ahead_of(&checkpoint::encode(&at).unwrap(), ahead).unwrap();
        let places = [behind(10, 0), behind(10, 3), behind(20, 5), behind(20, 5), behind(90, 9)];
        let mut reader = Replayed::new(&places, || Ok(VecReader::new((0..100).collect::<Vec<u32>>())));
        let mut read = Vec::new();
        while let Some(number) = reader.read().unwrap() {
            read.push(number);
        }
        assert_eq!(read, [10, 13, 25, 25, 99]);
    }

    #[test]
    fn a_replay_goes_on_behind_its_last_commit() {
        let places: Vec<String> = (0..5_u64).map(|at| checkpoint::encode(&(at * 7)).unwrap()).collect();
        let mut reader = Replayed::new(&places, || Ok(VecReader::new((0..100).collect::<Vec<u32>>())));
        reader.resume(3).unwrap();
        assert_eq!(reader.read().unwrap(), Some(21));
        assert_eq!(reader.position(), 4);
    }
}
