//! [`Writer`], the trait that a custom writer implements, and [`WriterDefinition`], which `#[writer]`
//! implements for the marker of the function.

use std::ops::Range;

use super::position_kinds::type_kind;
use super::{BoxError, ChunkTransaction, Failure, Mark, Need, Of, Raises, Scope};
use serde::{Serialize, de::DeserializeOwned};

/// The kind of crash that committed work survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Durability {
    /// A crash of the machine: every commit is forced to the disk (`fsync`).
    #[default]
    Machine,
    /// A crash of the process but not of the machine: commits are handed to the operating system.
    Process,
}

/// Writes the items of a chunk, inside or outside the chunk's transaction.
///
/// The engine calls, in this order: [`mark`](Self::mark); [`take_over`](Self::take_over) if it applies;
/// [`open`](Self::open) once; then, for each chunk, [`write`](Self::write) any number of times,
/// [`prepare`](Self::prepare), the commit, [`committed`](Self::committed) — or [`rollback`](Self::rollback)
/// if the chunk is rolled back; at the end of the step [`seal`](Self::seal), a commit of the position after
/// it, and [`finish`](Self::finish). With [`WRITES_AHEAD`](Self::WRITES_AHEAD), the next chunk may be written before the
/// commit of the previous one is confirmed.
///
/// A writer that keeps everything inside the transaction only implements `write`:
///
/// ```
/// use batch_runtime::{ChunkTransaction, Writer};
///
/// struct Print;
///
/// impl Writer for Print {
///     type Item = String;
///     type Position = ();
///     type Error = std::io::Error;
///
///     fn write(&mut self, items: &[String], _tx: &ChunkTransaction<'_>) -> Result<(), Self::Error> {
///         items.iter().for_each(|item| println!("{item}"));
///         Ok(())
///     }
///     fn position(&self) {}
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a writer",
    label = "this is not a writer",
    note = "write `fn name(items: &[Item])`, or return one of the writers of `batch_runtime::writers`\nor a type of your own that implements `batch_runtime::Writer`"
)]
pub trait Writer {
    /// The type of the items.
    type Item;
    /// The committed state of the writer's work: any serde type, stored as JSON; `()` if the transaction
    /// holds all of it.
    type Position: Serialize + DeserializeOwned;
    /// The error of a failed write.
    type Error: Into<BoxError>;

    /// The number of its parts: writers, and classifiers that route to them. If there are several, the step measures
    /// the time of each.
    const PARTS: usize = 1;

    /// True if [`rollback`](Self::rollback), together with that of the chunk's transaction, undoes everything written
    /// after the position that it returns to. Otherwise items are written at least once: a crash, or the search for a
    /// bad item, may write them again. That search therefore needs the consent of the step: `isolate = allow`.
    const CAN_ROLL_BACK: bool = false;

    /// True if the items of the next chunk may be written before the commit of the previous chunk is confirmed, in a
    /// transaction of their own. The order of the calls is then [`write`](Self::write) and [`prepare`](Self::prepare) for
    /// chunk 1, the same for chunk 2, [`committed`](Self::committed) for chunk 1. If chunk 1 turns out not to be
    /// committed, [`rollback`](Self::rollback) undoes both chunks, and they are written again.
    ///
    /// A writer that keeps everything in the transaction can say so. It must also set [`CAN_ROLL_BACK`](Self::CAN_ROLL_BACK).
    const WRITES_AHEAD: bool = false;

    /// The database in whose transaction the writer writes, if any: the chunks of the step are committed there, as if a
    /// component had asked for `&Transaction`.
    ///
    /// ```
    /// use batch_runtime::prelude::*;
    /// use batch_runtime::writers::Table;
    /// use batch_runtime::{Of, Writer};
    ///
    /// #[database]
    /// fn ledger(#[param(secret)] ledger: String) -> Result<AnyDatabase, Failure> {
    ///     AnyDatabase::at(&ledger)
    /// }
    /// # fn main() {
    ///
    /// let of = <Table<(i64, String), ledger> as Writer>::WRITES_IN;
    /// assert!(matches!(of, Some(Of::Named(database)) if database.name == "ledger"));
    /// # }
    /// ```
    const WRITES_IN: Option<Of> = None;

    /// Called before [`open`](Self::open) with the owner of the output. While a target outside the
    /// chunk's transaction is unfinished, its name must be derived from the mark.
    fn mark(&mut self, _mark: Mark) {}

    /// Called before [`open`](Self::open) if the instance was taken over from an owner that may still live: by force,
    /// or because its lease ran out. That owner may be paused, still hold the target, and wake up, so a target outside
    /// the chunk's transaction must be moved out of its reach.
    fn take_over(&mut self) {}

    /// Called before [`open`](Self::open) if the step only reads the items that an earlier execution skipped
    /// (`run --replay`). The output adds to what that execution has written, so refuse a target that would
    /// replace it.
    fn replays(&mut self) {}

    /// Prepares the writer: `from` is the last committed position on a restart, otherwise `None`.
    ///
    /// # Errors
    /// If the target is missing, has changed, or belongs to another owner.
    fn open(&mut self, _from: Option<Self::Position>) -> Result<(), Self::Error> {
        Ok(())
    }

    /// Writes items. `items` is never empty.
    ///
    /// # Errors
    /// If an item or the target is bad.
    fn write(&mut self, items: &[Self::Item], tx: &ChunkTransaction<'_>) -> Result<(), Self::Error>;

    /// Puts `items` into the order that [`write`](Self::write) needs, before a chunk is written.
    fn arrange(&mut self, _items: &mut Arranged<'_, Self::Item>) {}

    /// Makes the written items as durable as `durability` asks. Called once per chunk, right before the
    /// commit.
    ///
    /// # Errors
    /// If the target cannot take it (a full disk).
    fn prepare(&mut self, _durability: Durability) -> Result<(), Self::Error> {
        Ok(())
    }

    /// The position to commit now, after everything written and prepared.
    fn position(&self) -> Self::Position;

    /// Called after the commit.
    ///
    /// # Errors
    /// If an action that waits for the commit fails; the commit remains.
    fn committed(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }

    /// Returns to an earlier position of this execution: the chunk was rolled back.
    ///
    /// # Errors
    /// If the target cannot go back.
    fn rollback(&mut self, _to: &Self::Position) -> Result<(), Self::Error> {
        Ok(())
    }

    /// Writes the end of the output after the last item and makes it durable. The position after it is
    /// committed before [`finish`](Self::finish), and passed to [`open`](Self::open) again after a crash
    /// between the two.
    ///
    /// # Errors
    /// If the target cannot take it.
    fn seal(&mut self, _durability: Durability) -> Result<(), Self::Error> {
        Ok(())
    }

    /// Publishes the sealed and committed output (by a rename). May be called again after a crash.
    ///
    /// # Errors
    /// If it cannot be published.
    fn finish(&mut self, _durability: Durability) -> Result<(), Self::Error> {
        Ok(())
    }

    /// The kind of the writer, which gives its positions a meaning. It is stored when a step begins, and a
    /// restart is refused if the step's writer has another kind by then: half a file would be CSV and the
    /// other half JSON.
    ///
    /// By default it is the name of the type, without modules and generic arguments, as for
    /// [`Reader::kind`](crate::Reader::kind).
    ///
    /// ```
    /// use batch_runtime::Writer;
    /// use batch_runtime::writers::{Both, Collector};
    ///
    /// assert_eq!(Both::<Collector<u32>, Collector<u32>>::kind(), "(Collector, Collector)");
    /// ```
    #[must_use]
    fn kind() -> String
    where
        Self: Sized,
    {
        type_kind::<Self>()
    }
}

/// A writer that can exist once per partition of a step.
///
/// If all of them can write to one target at the same time (a table), there is nothing to implement:
///
/// ```
/// use batch_runtime::{ChunkTransaction, Partitionable, Writer};
///
/// struct Print;
///
/// impl Writer for Print {
///     // ...
/// #    type Item = String;
/// #    type Position = ();
/// #    type Error = std::io::Error;
/// #    fn write(&mut self, items: &[String], _tx: &ChunkTransaction<'_>) -> Result<(), Self::Error> {
/// #        items.iter().for_each(|item| println!("{item}"));
/// #        Ok(())
/// #    }
/// #    fn position(&self) {}
/// }
/// impl Partitionable for Print {}
/// ```
///
/// Otherwise (a file), each partition [writes separately](Self::of_partition). The step itself
/// [opens](Writer::open) one more writer before any partition begins, so that an unwritable target is refused
/// at once. After all partitions are complete, it [merges](Self::merge) their output in order; then follow
/// [`seal`](Writer::seal), the commit of its position, [`finish`](Writer::finish) and [`clear`](Self::clear).
/// After a crash before that commit, a restart begins again with `open(None)` and `merge`; after a later
/// crash, it continues with `open` at the sealed position and `finish`.
pub trait Partitionable: Writer {
    /// Called before [`open`](Writer::open): this writer writes the output of that partition, beside the
    /// writers of the others.
    fn of_partition(&mut self, _number: u32) {}

    /// Appends the output of the partitions in order. Each comes with the position that its writer was
    /// [sealed](Writer::seal) at, or `None` if it committed nothing.
    ///
    /// # Errors
    /// If the output of a partition is missing, or the target cannot take it.
    fn merge(&mut self, _partitions: Vec<Option<Self::Position>>) -> Result<(), Self::Error> {
        Ok(())
    }

    /// Removes the separate output of that many partitions. May be called again after a crash.
    ///
    /// # Errors
    /// If it cannot be removed.
    fn clear(&mut self, _partitions: u32) -> Result<(), Self::Error> {
        Ok(())
    }
}

/// The items of a chunk while a writer reorders them.
///
/// ```
/// use batch_runtime::Arranged;
///
/// let mut items = ['a', 'b', 'c'];
/// let mut arranged = Arranged::new(&mut items);
/// arranged.swap(0, 2);
/// assert_eq!(arranged.items(), ['c', 'b', 'a']);
/// ```
#[derive(Debug)]
pub struct Arranged<'i, T> {
    items: &'i mut [T],
    /// For each item, the number of the item that it was made from; empty if nobody needs these numbers.
    sources: &'i mut [u32],
}

impl<'i, T> Arranged<'i, T> {
    /// Wraps the items.
    pub fn new(items: &'i mut [T]) -> Self {
        Self { items, sources: &mut [] }
    }

    /// Wraps the items, with the numbers of the items that they were made from, if known.
    pub(crate) fn with_sources(items: &'i mut [T], sources: &'i mut [u32]) -> Self {
        Self { items, sources }
    }

    /// The items in their current order.
    #[must_use]
    pub fn items(&self) -> &[T] {
        self.items
    }

    /// Exchanges two items.
    ///
    /// # Panics
    /// If an index is out of range.
    pub fn swap(&mut self, a: usize, b: usize) {
        self.items.swap(a, b);
        if !self.sources.is_empty() {
            self.sources.swap(a, b);
        }
    }

    /// Sorts the items by the numbers of the items that they were made from.
    pub(crate) fn sort_by_source(&mut self) {
        let mut places: Vec<usize> = (0..self.sources.len()).collect();
        places.sort_by_key(|&place| self.sources[place]);
        // `places[index]` is the original index of the item that belongs at `index`; each swap puts one item in its
        // place.
        for index in 0..places.len() {
            let mut from = places[index];
            while from < index {
                from = places[from];
            }
            self.swap(index, from);
        }
    }

    /// A range of the items, to be ordered separately.
    ///
    /// # Panics
    /// If the range is out of bounds.
    pub fn part(&mut self, range: Range<usize>) -> Arranged<'_, T> {
        let sources = if self.sources.is_empty() { &mut [] } else { &mut self.sources[range.clone()] };
        Arranged { items: &mut self.items[range], sources }
    }
}

/// Implemented by `#[writer]` for the marker of the annotated function and the item type it takes.
#[diagnostic::on_unimplemented(
    message = "writer `{Self}` does not take `{Item}`",
    label = "receives `{Item}` here",
    note = "change the writer's argument to `&[{Item}]`, or add a processor that returns the type that the writer takes"
)]
pub trait WriterDefinition<Item> {
    /// The function's name.
    const NAME: &'static str;
    /// The needs of its arguments.
    const NEEDS: &'static [Need];
    /// The errors it can return.
    const RAISES: Raises = Raises::Unknown;

    /// Binds the injected arguments, or calls the function for its writer object.
    ///
    /// # Errors
    /// If an argument is unavailable, or the function returned an error.
    fn bind<'s>(scope: &Scope<'s>) -> Result<impl Writer<Item = Item> + 's + use<'s, Self, Item>, Failure>;
}
