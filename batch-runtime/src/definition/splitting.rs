//! Receives: a reader whose input falls into parts. Gives: [`Splittable`], by which a step with `partitions` reads it part
//! by part.

use serde::{Serialize, de::DeserializeOwned};

use super::{BoxError, Reader};

/// A reader whose input can be read in parts, each by a reader of its own.
///
/// A step with `partitions = N` opens the reader, [splits](Self::split) it once, and stores the parts; they are never
/// made again. For each part it then opens the reader anew, [narrows](Self::narrow) it, lets it
/// [resume](Reader::resume) if the part was begun by an earlier execution, and reads it to its end. So the parts may be
/// read in any order, at the same time, and by other processes.
///
/// The parts one after the other are the whole input: no item is in two, none is in none, and the order is that of
/// the whole. A reader that can be read in one piece only does not implement this trait, and a step that partitions
/// it without a partitioner does not compile.
///
/// ```
/// use batch_runtime::{Reader, Splittable};
/// use batch_runtime::readers::VecReader;
///
/// let open = || VecReader::new(["a", "b", "c"]);
/// let parts = open().split(2)?;
///
/// let mut read = Vec::new();
/// for part in parts {
///     let mut reader = open();
///     reader.narrow(part)?;
///     let mut items = Vec::new();
///     while let Some(item) = reader.read()? {
///         items.push(item);
///     }
///     read.push(items);
/// }
/// assert_eq!(read, [vec!["a"], vec!["b", "c"]]);
/// # Ok::<(), batch_runtime::BoxError>(())
/// ```
pub trait Splittable: Reader {
    /// What is to be read of the input: any serde type. It is stored as JSON, so keep its fields stable.
    type Part: Serialize + DeserializeOwned;

    /// The parts of the whole input, in its order, about `parts` of them: fewer where there is less to read, more where
    /// the input has parts of its own (files), at least one.
    ///
    /// It is called on a reader that was just opened, which is not read afterwards.
    ///
    /// # Errors
    /// When the input cannot be looked through.
    fn split(&mut self, parts: usize) -> Result<Vec<Self::Part>, BoxError>;

    /// Keeps to a part that [`split`](Self::split) gave, perhaps in an earlier execution.
    ///
    /// It is called at most once, on a reader that was just opened, before [`resume`](Reader::resume).
    /// [`progress`](Reader::progress) is that of the part from then on.
    ///
    /// # Errors
    /// When the input no longer has that part, or is not the same input.
    fn narrow(&mut self, part: Self::Part) -> Result<(), BoxError>;

    /// What a part is called in messages: `2024-01-31.csv`. Its number, if there is nothing better.
    fn part_name(_part: &Self::Part) -> Option<String> {
        None
    }
}

/// Splits `0..total` into about equal ranges, none empty but for one if there is nothing: the begin of each.
pub(crate) fn evenly(total: u64, parts: usize) -> impl Iterator<Item = u64> {
    let parts = (parts as u64).min(total).max(1);
    (0..parts).map(move |part| {
        let at = u128::from(total) * u128::from(part) / u128::from(parts);
        u64::try_from(at).expect("a part begins before the end")
    })
}

#[cfg(test)]
mod tests {
    use super::evenly;

    #[test]
    fn ranges_are_even_and_never_empty() {
        assert_eq!(evenly(10, 3).collect::<Vec<_>>(), [0, 3, 6]);
        assert_eq!(evenly(2, 5).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(evenly(0, 5).collect::<Vec<_>>(), [0]);
        assert_eq!(evenly(u64::MAX, 2).collect::<Vec<_>>(), [0, u64::MAX / 2]);
        assert_eq!(evenly(5, 0).collect::<Vec<_>>(), [0]);
    }
}
