//! [`Splittable`], the trait of readers whose input a step with `partitions` reads in parts.

use serde::{Serialize, de::DeserializeOwned};

use super::{BoxError, Reader};

/// A reader whose input can be read in parts, each by its own reader.
///
/// A step with `partitions = N` opens the reader, [splits](Self::split) it once, and stores the parts, which
/// are never computed again. For each part it then reopens the reader, [narrows](Self::narrow) it, lets it
/// [resume](Reader::resume) if an earlier execution began the part, and reads it to its end. So the parts may
/// be read in any order, at the same time, and by other processes.
///
/// All parts in order make up the whole input: every item is in exactly one part, and the order is the same.
/// A reader that can only be read as a whole does not implement this trait, and a step that partitions it
/// without a partitioner does not compile.
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
    /// A part of the input: any serde type. It is stored as JSON, so keep its fields stable.
    type Part: Serialize + DeserializeOwned;

    /// Returns the parts of the whole input in order, about `parts` of them: fewer if there is less to read,
    /// more if the input has natural parts (files), and at least one.
    ///
    /// It is called on a newly opened reader, which is not read afterwards.
    ///
    /// # Errors
    /// If the input cannot be examined.
    fn split(&mut self, parts: usize) -> Result<Vec<Self::Part>, BoxError>;

    /// Limits the reader to a part that [`split`](Self::split) returned, perhaps in an earlier execution.
    ///
    /// It is called at most once, on a newly opened reader, before [`resume`](Reader::resume). From then on
    /// [`progress`](Reader::progress) is that of the part.
    ///
    /// # Errors
    /// If the input no longer has that part, or is not the same input.
    fn narrow(&mut self, part: Self::Part) -> Result<(), BoxError>;

    /// Called before [`narrow`](Self::narrow) in a process that did not split the input itself, perhaps on another
    /// machine: refuses a part whose input is missing or is a different one. It is not called after a restart, because
    /// the input may have been corrected since.
    ///
    /// # Errors
    /// If the input is missing or is a different one.
    fn check(&self, _part: &Self::Part) -> Result<(), BoxError> {
        Ok(())
    }

    /// The name of a part in messages: `2024-01-31.csv`. `None` names it by its number.
    fn part_name(_part: &Self::Part) -> Option<String> {
        None
    }
}

/// Splits `0..total` into about equal ranges and returns their starts. No range is empty, except a single one
/// if `total` is 0.
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
