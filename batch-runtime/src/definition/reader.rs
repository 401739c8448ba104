//! Receives: what a `#[reader]` function returns. Gives: the trait a custom reader implements
//! ([`Reader`]) and the one that the attribute implements for the function's marker ([`ReaderDefinition`]).

use super::kind::type_kind;
use super::{BoxError, Failure, Need, Raises, Scope};
use serde::{Serialize, de::DeserializeOwned};

/// Reads items one after another, says where it stands, and goes on from such a position.
///
/// The engine calls [`resume`](Self::resume) at most once, before the first [`read`](Self::read).
/// After every chunk it asks for [`position`](Self::position) and commits it together with what was
/// written, so a restart begins exactly behind the last committed item.
///
/// ```
/// use batch_runtime::Reader;
///
/// /// Counts down to zero.
/// struct Countdown(u32);
///
/// impl Reader for Countdown {
///     type Item = u32;
///     type Position = u32;
///     type Error = std::convert::Infallible;
///
///     fn read(&mut self) -> Result<Option<u32>, Self::Error> {
///         Ok((self.0 > 0).then(|| { self.0 -= 1; self.0 }))
///     }
///     fn position(&self) -> u32 { self.0 }
///     fn resume(&mut self, position: u32) -> Result<(), Self::Error> {
///         self.0 = position;
///         Ok(())
///     }
/// }
///
/// let mut reader = Countdown(3);
/// reader.resume(2).unwrap();
/// assert_eq!(reader.read().unwrap(), Some(1));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a reader",
    label = "this is not a reader",
    note = "return an `impl Iterator<Item = ..>`, one of the readers of `batch_runtime::readers`,\nor a type of your own that implements `batch_runtime::Reader`"
)]
pub trait Reader {
    /// What is read.
    type Item;
    /// Where the reader stands: any serde type. It is stored as JSON, so keep its fields stable.
    type Position: Serialize + DeserializeOwned;
    /// Why reading failed.
    type Error: Into<BoxError>;

    /// The next item, or `None` at the end of the input. After `None` it is not called again.
    ///
    /// # Errors
    /// When the input is bad or out of reach. After an error about one record (a bad line), the next
    /// call goes on behind that record; after any other, [`steps_over`](Self::steps_over) is false.
    fn read(&mut self) -> Result<Option<Self::Item>, Self::Error>;

    /// Appends the next `most` items to `into`, fewer only at the end of the input, and gives their number.
    ///
    /// It is what that many calls of [`read`](Self::read) give, up to the first that gives no item: if fewer are
    /// appended than asked for, that one was `None`, and the reader is not called again. Of use where a call an
    /// item costs more than the item, as in memory; a reader that does better than to call `read` overrides it.
    ///
    /// ```
    /// use batch_runtime::Reader;
    /// use batch_runtime::readers::VecReader;
    ///
    /// let (mut reader, mut items) = (VecReader::new(["a", "b", "c"]), Vec::new());
    /// assert_eq!(reader.read_batch(2, &mut items)?, 2);
    /// assert_eq!(reader.position(), 2);
    /// assert_eq!(reader.read_batch(2, &mut items)?, 1, "the end");
    /// assert_eq!(items, ["a", "b", "c"]);
    /// # Ok::<(), batch_runtime::readers::EndedEarly>(())
    /// ```
    ///
    /// # Errors
    /// As `read`. The items before the error are in `into`, and [`position`](Self::position) is that behind them, or
    /// behind the record that the error is about; the next call goes on as [`steps_over`](Self::steps_over) says.
    #[inline]
    fn read_batch(&mut self, most: usize, into: &mut Vec<Self::Item>) -> Result<usize, Self::Error> {
        for count in 0..most {
            let Some(item) = self.read()? else { return Ok(count) };
            into.push(item);
        }
        Ok(most)
    }

    /// The position behind the last item that was read.
    fn position(&self) -> Self::Position;

    /// Goes to a position that [`position`](Self::position) gave in an earlier execution.
    ///
    /// # Errors
    /// When the input no longer has that position, or is not the same input.
    fn resume(&mut self, position: Self::Position) -> Result<(), Self::Error>;

    /// Told after the commit of everything up to `position`: where a queue acknowledges and a file is
    /// archived.
    ///
    /// # Errors
    /// When that could not be done; the step then fails, and what was committed stays so.
    fn committed(&mut self, _position: &Self::Position) -> Result<(), Self::Error> {
        Ok(())
    }

    /// Does the next [`read`](Self::read) go on behind the record that `error` is about?
    ///
    /// Asked of the error that `read` gave last. If it is true, [`position`](Self::position) is already past that record, and
    /// a step may skip it. If not (the input is out of reach, the query failed), `position` is still that after the last item,
    /// and the step may try again: it opens the reader once more and [resumes](Self::resume) there, which repeats nothing and
    /// loses nothing.
    ///
    /// So this says which errors `retry(..)` of a step repeats: those that return false. The default is true, as it is for
    /// iterators of `Result`, and then `retry` repeats no read.
    ///
    /// ```
    /// use batch_runtime::Reader;
    /// use batch_runtime::readers::{CsvReader, ReadError};
    ///
    /// let path = std::env::temp_dir().join("doc-steps-over.csv");
    /// std::fs::write(&path, "minutes\nlate\n12\n")?;
    ///
    /// let mut minutes = CsvReader::<u32>::open(&path)?;
    /// let error = minutes.read().unwrap_err();
    /// assert!(minutes.steps_over(&error), "`late` is no number, but the line behind it can be read");
    /// assert_eq!(minutes.read()?, Some(12));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn steps_over(&self, _error: &Self::Error) -> bool {
        true
    }

    /// The record that `error` is about, as it stands in the input: the line of a file, without its end. It is stored with the
    /// record of a skip, and listeners find it in [`Failure::record`]. Asked only of an error that the reader
    /// [steps over](Self::steps_over), before the next [`read`](Self::read).
    fn record(&self, _error: &Self::Error) -> Option<String> {
        None
    }

    /// Takes the next records out of this reader, up to that many, as they stand in the input, into a reader of their own, and gives
    /// how many they are. In a step with `threads`, one thread makes items of them while the next goes on
    /// behind them: worth it where that takes longer than finding where a record ends.
    ///
    /// `into` is empty, or holds what an earlier call put there and was read to its end, whose memory can be used again. Each record
    /// is then one call of its [`read`](Self::read), which tells of errors with the places in this reader's input. 0 says that
    /// there is none to be had so, and [`read`](Self::read) has the next, or the end. What skips or repeats does not use this.
    ///
    /// # Errors
    /// Those of [`read`](Self::read), behind the records that were taken out.
    fn detach(&mut self, _most: usize, _into: &mut Option<Self>) -> Result<usize, Self::Error>
    where
        Self: Sized,
    {
        Ok(0)
    }

    /// May a chunk end after the record that was read last? Asked where it could end: of what keeps a group in one chunk.
    #[doc(hidden)]
    fn may_end_chunk(&self) -> bool {
        true
    }

    /// How much of the input is read, and how much there is, in one unit (bytes, items); for the
    /// progress bar only.
    fn progress(&self) -> Option<Progress> {
        None
    }

    /// The place of the record that was read last, in the user's words: `flights.csv, line 17`. After an error that
    /// [steps over](Self::steps_over) a record, that is the record the error is about; after any other it is still the last
    /// item, and the step says that the error came after it. Asked only after a fault.
    fn location(&self) -> Option<String> {
        None
    }

    /// The kind of the reader, which says what its positions mean. It is stored when a step begins, and a restart is
    /// refused where the step's reader is of another kind by then.
    ///
    /// By default that is the name of the type, without modules and generic arguments. A reader around another one names
    /// that one's kind too, unless its positions are the other's. A type that gets another name and keeps its positions can
    /// go on with its old kind.
    ///
    /// ```
    /// use batch_runtime::Reader;
    /// use batch_runtime::readers::{CsvReader, Limit};
    ///
    /// assert_eq!(CsvReader::<(String, u32)>::kind(), "CsvReader");
    /// assert_eq!(Limit::<CsvReader<u32>>::kind(), "Limit<CsvReader>");
    /// ```
    #[must_use]
    fn kind() -> String
    where
        Self: Sized,
    {
        type_kind::<Self>()
    }
}

/// How far a reader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is behind the reader.
    pub done: u64,
    /// All there is, in the same unit.
    pub total: u64,
}

/// What `#[reader]` implements for the marker of the annotated function.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a reader",
    label = "a step begins with a reader",
    note = "put `#[reader]` on the function of this name"
)]
pub trait ReaderDefinition {
    /// The function's name.
    const NAME: &'static str;
    /// What its arguments ask for.
    const NEEDS: &'static [Need];
    /// How it can fail.
    const RAISES: Raises = Raises::Unknown;
    /// What is read.
    type Item;

    /// Calls the function with its injected arguments.
    ///
    /// # Errors
    /// When an argument cannot be had, or the function returned an error.
    fn open<'s>(scope: &Scope<'s>) -> Result<impl Reader<Item = Self::Item> + 's + use<'s, Self>, Failure>;
}
