//! Receives: what a `#[writer]` function is or returns. Gives: the trait a custom writer implements
//! ([`Writer`]) and the one that the attribute implements for the function's marker ([`WriterDefinition`]).

use std::ops::Range;

use super::kind::type_kind;
use super::{BoxError, ChunkTransaction, Failure, Mark, Need, Raises, Scope};
use serde::{Serialize, de::DeserializeOwned};

/// What a committed chunk survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Durability {
    /// The death of the machine: every commit is forced to the disk (`fsync`).
    #[default]
    Machine,
    /// The death of the process, not of the machine: commits are handed to the operating system.
    Process,
}

/// Writes the items of a chunk, inside or beside the chunk's transaction.
///
/// The engine calls, in this order: [`mark`](Self::mark); [`take_over`](Self::take_over) where it applies; [`open`](Self::open) once; then, a chunk, [`write`](Self::write) any
/// number of times, [`prepare`](Self::prepare), the commit, [`committed`](Self::committed) — or
/// [`rollback`](Self::rollback) where the chunk is given up; at the end of the step
/// [`seal`](Self::seal), a commit of the position it gives, and [`finish`](Self::finish).
///
/// A writer that keeps everything inside the transaction implements `write` alone:
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
    /// What is written.
    type Item;
    /// What of the writer's work is committed, `()` where the transaction holds it all; any serde type,
    /// stored as JSON.
    type Position: Serialize + DeserializeOwned;
    /// Why writing failed.
    type Error: Into<BoxError>;

    /// Does [`rollback`](Self::rollback), together with that of the chunk's transaction, undo all that was written since? If not,
    /// what it writes is written at least once: a crash, or the search for a bad item, may write it again. The search therefore
    /// needs the consent of the step: `isolate = allow`.
    const GOES_BACK: bool = false;

    /// Told before [`open`](Self::open) whose output it is: a target outside the chunk's transaction bears the mark in its name
    /// as long as it is unfinished.
    fn mark(&mut self, _mark: Mark) {}

    /// Told before [`open`](Self::open) where the launch takes over by force: an owner before may be paused, hold on to
    /// the target, and wake up. A target outside the chunk's transaction has to be made one that he cannot reach.
    fn take_over(&mut self) {}

    /// Told before [`open`](Self::open) where the step reads only what an earlier execution skipped (`run --replay`): what is
    /// written belongs to what that execution has written already. A target that would take its place has to be refused.
    fn replays(&mut self) {}

    /// Gets ready: `from` is the last committed position on a restart, else `None`.
    ///
    /// # Errors
    /// When the target is missing, not the same any more, or belongs to somebody else.
    fn open(&mut self, _from: Option<Self::Position>) -> Result<(), Self::Error> {
        Ok(())
    }

    /// Writes items; never called with none.
    ///
    /// # Errors
    /// When an item or the target is bad.
    fn write(&mut self, items: &[Self::Item], tx: &ChunkTransaction<'_>) -> Result<(), Self::Error>;

    /// Puts `items` into the order in which [`write`](Self::write) wants them, before a chunk is written.
    fn arrange(&mut self, _items: &mut Arranged<'_, Self::Item>) {}

    /// Makes what was written as durable as `durability` asks: called once a chunk, right before the commit.
    ///
    /// # Errors
    /// When the target cannot take it (a full disk).
    fn prepare(&mut self, _durability: Durability) -> Result<(), Self::Error> {
        Ok(())
    }

    /// What is to be committed now, behind everything written and prepared.
    fn position(&self) -> Self::Position;

    /// Told after the commit.
    ///
    /// # Errors
    /// When something that waits for the commit could not be done; what was committed stays so.
    fn committed(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }

    /// Goes back to a position taken earlier in this execution: the chunk was given up.
    ///
    /// # Errors
    /// When the target cannot go back.
    fn rollback(&mut self, _to: &Self::Position) -> Result<(), Self::Error> {
        Ok(())
    }

    /// Writes what belongs behind the last item and makes it durable. The position taken after it is
    /// committed before [`finish`](Self::finish), and again handed to [`open`](Self::open) after a crash between
    /// the two.
    ///
    /// # Errors
    /// When the target cannot take it.
    fn seal(&mut self, _durability: Durability) -> Result<(), Self::Error> {
        Ok(())
    }

    /// Publishes what was sealed and committed (a rename). May be called again after a crash.
    ///
    /// # Errors
    /// When it cannot be published.
    fn finish(&mut self, _durability: Durability) -> Result<(), Self::Error> {
        Ok(())
    }

    /// The kind of the writer, which says what its positions mean. It is stored when a step begins, and a restart is
    /// refused where the step's writer is of another kind by then: half a file would be CSV and half of it JSON.
    ///
    /// By default that is the name of the type, without modules and generic arguments, as for
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

/// A writer that each partition of a step may have one of.
///
/// Where all of them may write to one target at the same time (a table), there is nothing to do:
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
/// Where not (a file), each partition [writes apart](Self::of_partition). One more writer is [opened](Writer::open) by the step
/// itself before any partition begins, so that a target that cannot be written is refused at once. When all partitions
/// are complete it [merges](Self::merge) what they wrote, in their order; then follow [`seal`](Writer::seal), the commit of its
/// position, [`finish`](Writer::finish) and [`clear`](Self::clear). A crash before that commit begins anew with
/// `open(None)` and `merge`; one behind it goes on with `open` at the sealed position and `finish`.
pub trait Partitionable: Writer {
    /// Told before [`open`](Writer::open): it writes what that partition has, beside the writers of the others.
    fn of_partition(&mut self, _number: u32) {}

    /// Appends what the partitions wrote, in their order; to each belongs the position that its writer was
    /// [sealed](Writer::seal) at, `None` where it committed nothing.
    ///
    /// # Errors
    /// When what a partition wrote is missing, or the target cannot take it.
    fn merge(&mut self, _partitions: Vec<Option<Self::Position>>) -> Result<(), Self::Error> {
        Ok(())
    }

    /// Removes what the writers of so many partitions wrote apart. May be called again after a crash.
    ///
    /// # Errors
    /// When it cannot be removed.
    fn clear(&mut self, _partitions: u32) -> Result<(), Self::Error> {
        Ok(())
    }
}

/// The items of a chunk while a writer puts them into its order.
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
    /// The number of the item that each stems from; empty where nobody asks for it.
    sources: &'i mut [u32],
}

impl<'i, T> Arranged<'i, T> {
    /// These items.
    pub fn new(items: &'i mut [T]) -> Self {
        Self { items, sources: &mut [] }
    }

    /// These items, and beside each the number of what it stems from, if they are known.
    pub(crate) fn with_sources(items: &'i mut [T], sources: &'i mut [u32]) -> Self {
        Self { items, sources }
    }

    /// The items as they stand now.
    #[must_use]
    pub fn items(&self) -> &[T] {
        self.items
    }

    /// Exchanges two items.
    ///
    /// # Panics
    /// When there are not so many items.
    pub fn swap(&mut self, a: usize, b: usize) {
        self.items.swap(a, b);
        if !self.sources.is_empty() {
            self.sources.swap(a, b);
        }
    }

    /// Puts the items into the order of what they stem from.
    pub(crate) fn sort_by_source(&mut self) {
        let mut places: Vec<usize> = (0..self.sources.len()).collect();
        places.sort_by_key(|&place| self.sources[place]);
        // `places` says which item belongs where; each swap puts one in its place.
        for index in 0..places.len() {
            let mut from = places[index];
            while from < index {
                from = places[from];
            }
            self.swap(index, from);
        }
    }

    /// Some of the items, to be put in order among themselves.
    ///
    /// # Panics
    /// When there are not so many items.
    pub fn part(&mut self, range: Range<usize>) -> Arranged<'_, T> {
        let sources = if self.sources.is_empty() { &mut [] } else { &mut self.sources[range.clone()] };
        Arranged { items: &mut self.items[range], sources }
    }
}

/// What `#[writer]` implements for the marker of the annotated function, for the one item type it takes.
#[diagnostic::on_unimplemented(
    message = "writer `{Self}` does not take `{Item}`",
    label = "is fed `{Item}` by what stands before it",
    note = "change the writer's argument to `&[{Item}]`, or put a processor before it that returns what it takes"
)]
pub trait WriterDefinition<Item> {
    /// The function's name.
    const NAME: &'static str;
    /// What its arguments ask for.
    const NEEDS: &'static [Need];
    /// How it can fail.
    const RAISES: Raises = Raises::Unknown;

    /// Binds the injected arguments, or calls the function for its writer object.
    ///
    /// # Errors
    /// When an argument cannot be had, or the function returned an error.
    fn bind<'s>(scope: &Scope<'s>) -> Result<impl Writer<Item = Item> + 's + use<'s, Self, Item>, Failure>;
}
