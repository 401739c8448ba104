//! [`sorted_merge`] reads two sorted inputs side by side and pairs their records by key.

mod side;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::fmt::{self, Debug};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use self::side::Side;
use crate::definition::{BoxError, Progress, Reader, StopSignal};

/// Reads two inputs that are sorted by the same key, and pairs the records that have the same key.
///
/// The items are [`Merged`]: a pair, or a record without a partner. They come in the order of the keys. Memory does not
/// grow with the inputs, because only one record of each is held.
///
/// ```
/// use batch_runtime::prelude::*;
/// use batch_runtime::readers::{Merged, sorted_merge};
///
/// #[derive(Deserialize)]
/// struct Room {
///     id: u32,
///     name: String,
/// }
///
/// #[derive(Deserialize)]
/// struct Booking {
///     room: u32,
///     guest: String,
/// }
///
/// /// Rooms with their bookings; both files are sorted by the number of the room.
/// #[reader]
/// fn occupancy(rooms: PathBuf, bookings: PathBuf) -> Result<impl Reader<Item = Merged<Room, Booking>>, ReadError> {
///     let (rooms, bookings) = (CsvReader::<Room>::open(rooms)?, CsvReader::<Booking>::open(bookings)?);
///     Ok(sorted_merge(rooms, bookings, |room| room.id, |booking| booking.room))
/// }
///
/// #[processor]
/// fn entry(pair: Merged<Room, Booking>) -> Option<String> {
///     match pair {
///         Merged::Both(room, booking) => Some(format!("{}: {}", room.name, booking.guest)),
///         Merged::Left(room) => Some(format!("{}: free", room.name)),
///         Merged::Right(_) => None,
///     }
/// }
/// # fn main() {}
/// ```
///
/// # Order
///
/// Both inputs have to be sorted by the key in the order of its [`Ord`]: strings by their bytes, which is
/// `ORDER BY name COLLATE "C"` in `PostgreSQL` and the default in `SQLite`. A key that is smaller than the key of the
/// previous record ends the reading with a [`MergeError`] that names both keys and the place. Such an error is never
/// skipped, because the pairs after it would be wrong.
///
/// # Keys that occur twice
///
/// A key that occurs twice in one input is refused as well, because it is unknown which records belong together.
/// [`one_to_many`](SortedMerge::one_to_many) allows it in the right input. If a key can occur twice in both inputs,
/// group one of them first.
///
/// # Restarts and bad records
///
/// The position consists of the positions of both inputs, so a restart continues after any pair. A bad record of
/// either input can be skipped as if that input were read alone; a record with the same key in the other input then
/// has no partner.
pub fn sorted_merge<A, B, K, F, G>(left: A, right: B, left_key: F, right_key: G) -> SortedMerge<A, B, K, F, G>
where
    A: Reader,
    B: Reader,
    K: Ord,
    F: Fn(&A::Item) -> K,
    G: Fn(&B::Item) -> K,
{
    SortedMerge {
        left: Side::new(left, left_key),
        right: Side::new(right, right_key),
        clone: None,
        is_paired: false,
        of: Origin::Neither,
        steps_over: true,
        record: None,
    }
}

/// A record of one of two inputs, or a pair of records with the same key: the item of a [`SortedMerge`].
///
/// ```
/// use batch_runtime::readers::Merged;
///
/// let pair = Merged::Both("room 7", "Ada");
/// assert_eq!(pair.both(), Some(("room 7", "Ada")));
/// assert_eq!(pair.left(), Some("room 7"));
/// assert_eq!(Merged::<_, &str>::Left("room 8").right(), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Merged<A, B> {
    /// A record of each input, with the same key.
    Both(A, B),
    /// A record of the left input whose key the right input does not have.
    Left(A),
    /// A record of the right input whose key the left input does not have.
    Right(B),
}

impl<A, B> Merged<A, B> {
    /// The pair, if there is a record of each input.
    pub fn both(self) -> Option<(A, B)> {
        match self {
            Self::Both(left, right) => Some((left, right)),
            Self::Left(_) | Self::Right(_) => None,
        }
    }

    /// The record of the left input, with or without a partner.
    pub fn left(self) -> Option<A> {
        match self {
            Self::Both(left, _) | Self::Left(left) => Some(left),
            Self::Right(_) => None,
        }
    }

    /// The record of the right input, with or without a partner.
    pub fn right(self) -> Option<B> {
        match self {
            Self::Both(_, right) | Self::Right(right) => Some(right),
            Self::Left(_) => None,
        }
    }
}

/// Reads two sorted inputs side by side; [`sorted_merge`] creates it.
pub struct SortedMerge<A: Reader, B: Reader, K, F, G> {
    left: Side<A, K, F>,
    right: Side<B, K, G>,
    /// Clones a record of the left input, to which several records of the right input may belong.
    clone: Option<Clones<A::Item>>,
    /// True if the record that the left side holds has already been returned in a pair.
    is_paired: bool,
    /// The source of the last item or error.
    of: Origin,
    /// Whether the inner reader steps over its last error, noted before the error was boxed.
    steps_over: bool,
    /// The record that the error concerns.
    record: Option<String>,
}

type Clones<T> = fn(&T) -> T;

#[derive(Debug, Clone, Copy)]
enum Origin {
    Left,
    Right,
    Both,
    /// The error names its place itself.
    Neither,
}

/// The position of a [`SortedMerge`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergePosition<P, Q, K> {
    left: P,
    right: Q,
    /// The keys of the last records taken, which a restart compares with the keys of the next records.
    left_key: Option<K>,
    right_key: Option<K>,
    /// True if the next record of the left input has already been returned in a pair.
    is_paired: bool,
}

/// The reason why two inputs cannot be merged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MergeError {
    /// An input is not sorted.
    #[error(
        "{place}: the key {key} comes after {before}, so the {input} input is not sorted; sort both inputs by the key first"
    )]
    Unsorted {
        /// `left` or `right`.
        input: &'static str,
        /// The place of the record.
        place: String,
        /// Its key.
        key: String,
        /// The key of the previous record.
        before: String,
    },
    /// A key occurs twice where only one record may have it.
    #[error("{place}: the {input} input has the key {key} twice; {advice}")]
    Repeated {
        /// `left` or `right`.
        input: &'static str,
        /// The place of the second record.
        place: String,
        /// Its key.
        key: String,
        /// The remedy.
        advice: &'static str,
    },
}

impl<A: Reader, B: Reader, K, F, G> SortedMerge<A, B, K, F, G> {
    /// Allows several records of the right input to belong to one record of the left input: each of them is paired with
    /// a clone of the left record.
    ///
    /// ```
    /// use batch_runtime::Reader;
    /// use batch_runtime::readers::{Merged, VecReader, sorted_merge};
    ///
    /// let rooms = VecReader::new([(7, "garden"), (8, "tower")]);
    /// let bookings = VecReader::new([(7, "Ada"), (7, "Grace")]);
    /// let mut pairs = sorted_merge(rooms, bookings, |room| room.0, |booking| booking.0).one_to_many();
    /// assert_eq!(pairs.read()?, Some(Merged::Both((7, "garden"), (7, "Ada"))));
    /// assert_eq!(pairs.read()?, Some(Merged::Both((7, "garden"), (7, "Grace"))));
    /// assert_eq!(pairs.read()?, Some(Merged::Left((8, "tower"))));
    /// assert_eq!(pairs.read()?, None);
    /// # Ok::<(), batch_runtime::BoxError>(())
    /// ```
    #[must_use]
    pub fn one_to_many(mut self) -> Self
    where
        A::Item: Clone,
    {
        self.clone = Some(A::Item::clone);
        self
    }

    fn failed(&mut self, of: Origin, failed: side::Failed) -> BoxError {
        self.of = if failed.is_of_order { Origin::Neither } else { of };
        (self.steps_over, self.record) = (failed.steps_over, failed.record);
        failed.error
    }
}

impl<A, B, K, F, G> Reader for SortedMerge<A, B, K, F, G>
where
    A: Reader<Position: Clone>,
    B: Reader<Position: Clone>,
    K: Ord + Clone + Debug + Serialize + DeserializeOwned,
    F: Fn(&A::Item) -> K,
    G: Fn(&B::Item) -> K,
{
    type Item = Merged<A::Item, B::Item>;
    type Position = MergePosition<A::Position, B::Position, K>;
    type Error = BoxError;

    fn kind() -> String {
        format!("SortedMerge<{}, {}>", A::kind(), B::kind())
    }

    fn read(&mut self) -> Result<Option<Self::Item>, BoxError> {
        loop {
            let many = self.clone.is_some();
            let advice = if many { side::ONE_LEFT } else { side::LEFT_TWICE };
            if let Err(failed) = self.left.look("left", Some(advice)) {
                return Err(self.failed(Origin::Left, failed));
            }
            if let Err(failed) = self.right.look("right", if many { None } else { Some(side::RIGHT_TWICE) }) {
                return Err(self.failed(Origin::Right, failed));
            }
            let order = match (self.left.key(), self.right.key()) {
                (None, None) => return Ok(None),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(left), Some(right)) => left.cmp(right),
            };
            let merged = match (order, self.clone) {
                (Ordering::Less, _) => {
                    self.of = Origin::Left;
                    let left = self.left.take();
                    // A left record that was returned in a pair is not returned again alone.
                    if std::mem::take(&mut self.is_paired) { None } else { left.map(Merged::Left) }
                }
                (Ordering::Greater, _) => {
                    self.of = Origin::Right;
                    self.right.take().map(Merged::Right)
                }
                (Ordering::Equal, Some(clone)) => {
                    (self.of, self.is_paired) = (Origin::Both, true);
                    let left = self.left.item().map(clone);
                    left.zip(self.right.take()).map(|(left, right)| Merged::Both(left, right))
                }
                (Ordering::Equal, None) => {
                    self.of = Origin::Both;
                    let left = self.left.take();
                    left.zip(self.right.take()).map(|(left, right)| Merged::Both(left, right))
                }
            };
            if merged.is_some() {
                return Ok(merged);
            }
        }
    }

    fn position(&self) -> Self::Position {
        MergePosition {
            left: self.left.position(),
            right: self.right.position(),
            left_key: self.left.last.clone(),
            right_key: self.right.last.clone(),
            is_paired: self.is_paired,
        }
    }

    fn resume(&mut self, position: Self::Position) -> Result<(), BoxError> {
        let MergePosition { left, right, left_key, right_key, is_paired } = position;
        (self.left.last, self.right.last, self.is_paired) = (left_key, right_key, is_paired);
        self.left.reader.resume(left).map_err(Into::into)?;
        self.right.reader.resume(right).map_err(Into::into)
    }

    fn stops_with(&mut self, stop: &StopSignal) {
        self.left.reader.stops_with(stop);
        self.right.reader.stops_with(stop);
    }

    fn committed(&mut self, position: &Self::Position) -> Result<(), BoxError> {
        self.left.reader.committed(&position.left).map_err(Into::into)?;
        self.right.reader.committed(&position.right).map_err(Into::into)
    }

    fn steps_over(&self, _: &BoxError) -> bool {
        self.steps_over
    }

    fn record(&self, _: &BoxError) -> Option<String> {
        self.record.clone()
    }

    fn progress(&self) -> Option<Progress> {
        let (left, right) = (self.left.reader.progress()?, self.right.reader.progress()?);
        Some(Progress { done: left.done + right.done, total: left.total + right.total })
    }

    fn location(&self) -> Option<String> {
        let (left, right) = (|| self.left.reader.location(), || self.right.reader.location());
        match self.of {
            Origin::Left => left(),
            Origin::Right => right(),
            Origin::Neither => None,
            Origin::Both => match (left(), right()) {
                (Some(left), Some(right)) => Some(format!("{left} and {right}")),
                (left, right) => left.or(right),
            },
        }
    }
}

impl<A: Reader + Debug, B: Reader + Debug, K: Debug, F, G> Debug for SortedMerge<A, B, K, F, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SortedMerge")
            .field("left", &self.left.reader)
            .field("right", &self.right.reader)
            .finish_non_exhaustive()
    }
}
