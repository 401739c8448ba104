//! Reads the records at given positions of an input, and no others: those that a replay reads again.

use crate::definition::{BoxError, Failure, Reader};
use crate::engine::chunk::checkpoint::{self, Place};

/// What to do where the input is not what it was.
const MENDED: &str = "a replay finds the records that were skipped by their places, in the input as it was; \
                      put records that were mended into an input of their own and run the job over that";

/// Reads the records at certain places of a reader's input, and no others.
pub(crate) struct Replayed<'p, R, A> {
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
    pub(crate) fn new(places: &'p [String], anew: A) -> Self {
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
            reader.resume(at).map_err(|error| Failure::new(error).noting(MENDED))?;
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
