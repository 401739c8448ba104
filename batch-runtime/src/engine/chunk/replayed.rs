//! Reads only the records at given places of an input, for a replay.

use crate::definition::{BoxError, Failure, Reader};
use crate::engine::chunk::checkpoint::{self, Place};

/// The advice if the input has changed.
const ADVICE: &str = "a replay finds skipped records by their places in the unchanged input; \
                      put repaired records into an input of their own and run the job over that";

/// Reads only the records at certain places of a reader's input.
pub(crate) struct Replayed<'p, R, A> {
    places: &'p [String],
    next: usize,
    /// Opens another reader for the same input.
    reopen: A,
    /// The reader that read the last place, the position at which it was opened, and the number of records that it
    /// has read since then.
    open: Option<(R, String, u64)>,
    /// False if the last error is not about one record alone, so that reading cannot step over it.
    steps_over: bool,
}

impl<'p, R: Reader, A: FnMut() -> Result<R, Failure>> Replayed<'p, R, A> {
    pub(crate) fn new(places: &'p [String], reopen: A) -> Self {
        Self { places, next: 0, reopen, open: None, steps_over: true }
    }

    /// Returns the reader, right before the record of a place.
    fn at(&mut self, place: &str) -> Result<&mut R, Failure> {
        let Place { at, ahead, .. } = checkpoint::decode_place::<R::Position>(place)?;
        let base = checkpoint::encode(&at)?;
        let is_on_the_way =
            self.open.as_ref().is_some_and(|(_, opened, passed)| *opened == base && *passed <= ahead);
        if !is_on_the_way {
            self.open = None;
            let mut reader = (self.reopen)()?;
            reader.resume(at).map_err(|error| Failure::new(error).with_note(ADVICE))?;
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
    /// The number of places that were read.
    type Position = u64;
    type Error = BoxError;

    fn read(&mut self) -> Result<Option<R::Item>, BoxError> {
        let Some(place) = self.places.get(self.next) else { return Ok(None) };
        // An error on the way to the place is not about the record at that place.
        self.steps_over = false;
        let reader = self.at(place)?;
        let read = reader.read();
        let steps_over = read.as_ref().map_or_else(|error| reader.steps_over(error), |_| true);
        self.steps_over = steps_over;
        self.next += usize::from(steps_over);
        match read.map_err(Into::into)? {
            Some(item) => Ok(Some(item)),
            None => Err(format!("the input no longer has a record at {place}").into()),
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
        let place = |at: u64, ahead| checkpoint::ahead_of(&checkpoint::encode(&at).unwrap(), ahead).unwrap();
        let places = [place(10, 0), place(10, 3), place(20, 5), place(20, 5), place(90, 9)];
        let mut reader = Replayed::new(&places, || Ok(VecReader::new((0..100).collect::<Vec<u32>>())));
        let mut read = Vec::new();
        while let Some(number) = reader.read().unwrap() {
            read.push(number);
        }
        assert_eq!(read, [10, 13, 25, 25, 99]);
    }

    #[test]
    fn a_replay_resumes_after_its_last_commit() {
        let places: Vec<String> = (0..5_u64).map(|at| checkpoint::encode(&(at * 7)).unwrap()).collect();
        let mut reader = Replayed::new(&places, || Ok(VecReader::new((0..100).collect::<Vec<u32>>())));
        reader.resume(3).unwrap();
        assert_eq!(reader.read().unwrap(), Some(21));
        assert_eq!(reader.position(), 4);
    }
}
