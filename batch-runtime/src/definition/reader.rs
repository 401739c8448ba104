//! [`Reader`], the trait that a custom reader implements, and [`ReaderDefinition`], which `#[reader]`
//! implements for the marker of the function.

use super::position_kinds::type_kind;
use super::{BoxError, Failure, Need, Raises, Scope, StopSignal};
use serde::{Serialize, de::DeserializeOwned};

/// Reads items one by one, reports its position, and can resume from a position.
///
/// The engine calls [`resume`](Self::resume) at most once on a reader, before the first [`read`](Self::read). After
/// every chunk it asks for the [`position`](Self::position) and commits it together with the written items, so a
/// restart begins exactly after the last committed item.
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
    /// The type of the items.
    type Item;
    /// The position of the reader: any serde type. It is stored as JSON, so keep its fields stable.
    type Position: Serialize + DeserializeOwned;
    /// The error of a failed read.
    type Error: Into<BoxError>;

    /// Returns the next item, or `None` at the end of the input. After `None` it is not called again.
    ///
    /// # Errors
    /// If the input is bad or unavailable. After an error about one record (a bad line), the next call reads
    /// the record after it; for any other error, [`steps_over`](Self::steps_over) returns false.
    fn read(&mut self) -> Result<Option<Self::Item>, Self::Error>;

    /// Appends the next `most` items to `into`, fewer only at the end of the input, and returns their number.
    ///
    /// It is equivalent to `most` calls of [`read`](Self::read), up to the first that returns no item: if it
    /// appends fewer items, that call returned `None`, and the reader is not called again. It pays off if a
    /// call per item costs more than the item itself, as for items in memory. Override it if the reader can
    /// do better than call `read`.
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
    /// As for `read`. The items before the error are in `into`, and [`position`](Self::position) is after
    /// them, or after the record that the error is about. The next call continues as
    /// [`steps_over`](Self::steps_over) says.
    #[inline]
    fn read_batch(&mut self, most: usize, into: &mut Vec<Self::Item>) -> Result<usize, Self::Error> {
        for count in 0..most {
            let Some(item) = self.read()? else { return Ok(count) };
            into.push(item);
        }
        Ok(most)
    }

    /// True if it reuses the memory of the items that [`recycle`](Self::recycle) takes back.
    const RECYCLES: bool = false;

    /// Takes back an item that was only lent to the first processor. Not every such item comes back.
    fn recycle(&mut self, _item: Self::Item) {}

    /// The position after the last item that was read.
    fn position(&self) -> Self::Position;

    /// Moves to a position that [`position`](Self::position) returned in an earlier execution.
    ///
    /// # Errors
    /// If the input no longer has that position, or is not the same input.
    fn resume(&mut self, position: Self::Position) -> Result<(), Self::Error>;

    /// Called right after the reader is opened, with the signal that asks the step to stop. A reader that waits, for a
    /// server that is busy or a message that has not arrived yet, ends its wait when the signal is raised, and returns
    /// the error of [`StopSignal::pause`]: the step then ends as STOPPED.
    ///
    /// ```
    /// use std::time::Duration;
    /// use batch_runtime::{Reader, StopSignal, Stopped};
    ///
    /// /// One item an hour.
    /// struct Hourly {
    ///     hour: u32,
    ///     stop: StopSignal,
    /// }
    ///
    /// impl Reader for Hourly {
    ///     type Item = u32;
    ///     type Position = u32;
    ///     type Error = Stopped;
    ///
    ///     fn stops_with(&mut self, stop: &StopSignal) {
    ///         self.stop = stop.clone();
    ///     }
    ///     fn read(&mut self) -> Result<Option<u32>, Stopped> {
    ///         self.stop.pause(Duration::from_hours(1))?;
    ///         self.hour += 1;
    ///         Ok(Some(self.hour))
    ///     }
    ///     fn steps_over(&self, _: &Stopped) -> bool { false }
    ///     fn position(&self) -> u32 { self.hour }
    ///     fn resume(&mut self, position: u32) -> Result<(), Stopped> {
    ///         self.hour = position;
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let stop = StopSignal::new();
    /// let mut hours = Hourly { hour: 0, stop: StopSignal::new() };
    /// hours.stops_with(&stop);
    /// stop.raise();
    /// assert!(hours.read().is_err());
    /// ```
    fn stops_with(&mut self, _stop: &StopSignal) {}

    /// Called after the commit of everything up to `position`, for example to acknowledge a message or to archive
    /// a file.
    ///
    /// # Errors
    /// If this work fails; the step then fails, but the commit remains.
    fn committed(&mut self, _position: &Self::Position) -> Result<(), Self::Error> {
        Ok(())
    }

    /// Returns whether the next [`read`](Self::read) continues after the record that `error` is about.
    ///
    /// It is called with the last error of `read`. True means that [`position`](Self::position) is already
    /// past that record, and a step may skip it. False means that `position` is still after the last item
    /// (the input is unavailable, the query failed), and the step may retry: it reopens the reader and
    /// [resumes](Self::resume) there, which neither repeats nor loses an item.
    ///
    /// So it also decides to which errors the `retry(..)` of a step applies: those for which it returns false.
    /// The default is true, as for iterators of `Result`; `retry` then repeats no read.
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
    /// assert!(minutes.steps_over(&error), "`late` is not a number, but the line after it can be read");
    /// assert_eq!(minutes.read()?, Some(12));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn steps_over(&self, _error: &Self::Error) -> bool {
        true
    }

    /// The record that `error` is about, exactly as in the input: the line of a file, without its end. It is
    /// stored with the record of a skip, and listeners find it in [`Failure::record`]. The engine calls this only for
    /// an error that the reader [steps over](Self::steps_over), before the next [`read`](Self::read).
    fn record(&self, _error: &Self::Error) -> Option<String> {
        None
    }

    /// Moves up to `most` of the next records, unparsed, into a separate reader, and returns their number. In
    /// a step with `threads`, one thread then parses these records while the next continues after them. This
    /// pays off if parsing takes longer than finding the end of a record.
    ///
    /// `into` is empty, or holds a reader that an earlier call filled and that was read to its end; its
    /// memory can be reused. Each [`read`](Self::read) of that reader then returns one of the records, or reports
    /// an error with its place in this reader's input. 0 means that no record can be detached, and that
    /// [`read`](Self::read) returns the next item or the end. Steps that skip or retry do not use this.
    ///
    /// # Errors
    /// The errors of [`read`](Self::read), after the detached records.
    fn detach(&mut self, _most: usize, _into: &mut Option<Self>) -> Result<usize, Self::Error>
    where
        Self: Sized,
    {
        Ok(0)
    }

    /// Returns whether a chunk may end after the last record. It is called where a chunk could end, for
    /// readers that keep a group in one chunk.
    #[doc(hidden)]
    fn may_end_chunk(&self) -> bool {
        true
    }

    /// How much of the input has been read, and the total, in the same unit (bytes, items). It is used only to show
    /// the progress.
    fn progress(&self) -> Option<Progress> {
        None
    }

    /// The place of the last record, for the user: `flights.csv, line 17`. After an error whose record the reader
    /// [steps over](Self::steps_over), this is the place of that record. After any other error, it is still the place
    /// of the last item, and the step reports that the error came after it. Called only after a fault.
    fn location(&self) -> Option<String> {
        None
    }

    /// The kind of the reader, which gives its positions a meaning. It is stored when a step begins, and a
    /// restart is refused if the step's reader has another kind by then.
    ///
    /// By default it is the name of the type, without modules and generic arguments. A reader that wraps
    /// another one adds the kind of the inner one, unless it simply passes the inner positions through. A
    /// type that is renamed but keeps its positions can keep its old kind.
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

/// The progress of a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The part that has been read.
    pub done: u64,
    /// The total, in the same unit.
    pub total: u64,
}

/// Implemented by `#[reader]` for the marker of the annotated function.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a reader",
    label = "a step begins with a reader",
    note = "put `#[reader]` on the function of this name"
)]
pub trait ReaderDefinition {
    /// The function's name.
    const NAME: &'static str;
    /// The needs of its arguments.
    const NEEDS: &'static [Need];
    /// The errors it can return.
    const RAISES: Raises = Raises::Unknown;
    /// The type of the items.
    type Item;

    /// Calls the function with its injected arguments.
    ///
    /// # Errors
    /// If an argument is unavailable, or the function returned an error.
    fn open<'s>(scope: &Scope<'s>) -> Result<impl Reader<Item = Self::Item> + 's + use<'s, Self>, Failure>;
}
