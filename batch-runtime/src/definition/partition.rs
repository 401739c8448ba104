//! Steps with `partitions`: their options as a constant ([`Partitioning`]), the extra operations of their
//! pipe ([`Partitioned`]), and the partition that a partitioner creates and a reader asks for
//! ([`Partition`]).

use std::fmt;
use std::ops::Deref;

use serde::{Serialize, de::DeserializeOwned};

use super::{Aggregation, Failure, Need, Partitionable, Pipe, Scope, Splittable};
use crate::engine::{PartitionedRun, StepEnd};
use crate::exact_json;
use crate::repository::NewPartition;

/// The partition that a step execution works on, injected as `Partition<Range>` in a step with
/// `partitioner = f`, where `f` creates ranges of that type.
///
/// It dereferences to the range.
///
/// ```
/// use batch_runtime::prelude::*;
///
/// #[derive(Serialize, Deserialize)]
/// struct Years { first: u16, last: u16 }
///
/// #[partitioner]
/// fn decades(until: u16) -> Vec<(String, Years)> {
///     (1990..until).step_by(10).map(|first| (format!("{first}s"), Years { first, last: first + 9 })).collect()
/// }
///
/// #[reader]
/// fn years(decade: Partition<Years>) -> impl Iterator<Item = u16> {
///     decade.first..=decade.last
/// }
/// # #[writer]
/// # fn print(years: &[u16]) { println!("{years:?}") }
///
/// #[step(chunk = 5, partitioner = decades)]
/// fn all_years() {
///     years | print
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition<T> {
    name: String,
    number: u32,
    range: T,
}

impl<T> Partition<T> {
    /// Creates a partition as the engine does, for the unit test of a reader.
    ///
    /// ```
    /// use batch_runtime::Partition;
    ///
    /// let january = Partition::new("january", 0, 1..=31);
    /// assert_eq!((january.name(), january.end()), ("january", &31));
    /// ```
    pub fn new(name: impl Into<String>, number: u32, range: T) -> Self {
        Self { name: name.into(), number, range }
    }

    /// The name given by the partitioner.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The number of the partition in the step, from 0.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Returns the range.
    #[must_use]
    pub fn into_range(self) -> T {
        self.range
    }
}

impl<T> Deref for Partition<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.range
    }
}

/// Implemented by `#[partitioner]` for the marker of the annotated function.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a partitioner",
    label = "makes no partitions",
    note = "put `#[partitioner]` on a function `fn {Self}() -> Vec<(String, Range)>`"
)]
pub trait PartitionerDefinition: 'static {
    /// The function's name.
    const NAME: &'static str;
    /// The needs of the function's arguments.
    const NEEDS: &'static [Need];
    /// The type of the ranges it splits the input into.
    type Range;

    /// Calls the function.
    ///
    /// # Errors
    /// If an argument is unavailable, or the function returned an error.
    fn partitions(scope: &Scope<'_>) -> Result<Vec<(String, Self::Range)>, Failure>;
}

/// Implemented by `#[reader]` for the type of the partition that it asks for.
#[diagnostic::on_unimplemented(
    message = "reader `{Self}` does not ask for a `Partition<{Range}>`",
    label = "would read all of its input in each partition",
    note = "add an argument of type `Partition<{Range}>`, the range that the partitioner returns"
)]
pub trait TakesPartition<Range> {
    /// Named by generated code, to ask whether the trait holds.
    const IS: () = ();
}

/// A type that can be the range of a partition: every serde type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the range of a partition",
    label = "the range of a partition is stored as JSON",
    note = "write `#[derive(Serialize, Deserialize)]` above `{Self}`"
)]
pub trait IsRange {
    /// Named by generated code, to ask whether the trait holds.
    const IS: () = ();
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> IsRange for T {}

/// A reader that a step with `partitions` can split: every [`Splittable`].
#[diagnostic::on_unimplemented(
    message = "this reader cannot be split into partitions",
    label = "can only be read as a whole",
    note = "read with `CsvReader`, `JsonLinesReader`, a `SqliteReader` with a key, `PagingReader`, `HttpPages` by number or offset, `files` or `VecReader`, which split by themselves,\nor return a type of your own that implements `batch_runtime::Splittable`, or `impl Splittable<Item = ..>`;\nor write `partitioner = f` with a function that makes the partitions; or drop `partitions`"
)]
pub trait Splits {}

#[diagnostic::do_not_recommend]
impl<R: Splittable> Splits for R {}

/// A writer that can exist once per partition of a step: every [`Partitionable`].
#[diagnostic::on_unimplemented(
    message = "this writer cannot be shared by partitions",
    label = "all partitions would write to one target at once",
    note = "write with a function over `&[Item]`, with `SqliteTable`, or to a file with `CsvWriter` or `JsonLinesWriter`,\nor return a type of your own that implements `batch_runtime::Partitionable`, or `impl Partitionable<Item = ..>`;\nor drop `partitions`"
)]
pub trait IsShared {}

#[diagnostic::do_not_recommend]
impl<W: Partitionable> IsShared for W {}

/// The options of a step with `partitions`.
#[derive(Clone, Copy)]
pub struct Partitioning {
    /// The number of partitions that the reader is asked for.
    pub partitions: Option<u32>,
    /// The maximum number of partitions that run at once.
    pub threads: Option<u32>,
    /// True if a partitioner creates the partitions.
    pub has_partitioner: bool,
    /// The aggregator of their results.
    pub aggregator: Option<Aggregation>,
    /// Runs the step: creates the partitions, runs them, and joins their output.
    pub run: fn(&PartitionedRun<'_>) -> StepEnd,
}

impl fmt::Debug for Partitioning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Partitioning")
            .field("partitions", &self.partitions)
            .field("threads", &self.threads)
            .field("aggregator", &self.aggregator)
            .finish_non_exhaustive()
    }
}

/// The pipe of a step with `partitions`: its reader and writer are limited to the partition of the scope.
pub trait Partitioned: Pipe {
    /// Creates the partitions.
    ///
    /// # Errors
    /// If the input cannot be examined, or the partitioner returned an error.
    fn split(scope: &Scope<'_>, partitions: usize) -> Result<Vec<NewPartition>, Failure>;

    /// Binds the writer that joins the output of the partitions.
    ///
    /// # Errors
    /// The error of the component.
    fn merger<'s>(
        scope: &Scope<'s>,
    ) -> Result<impl Partitionable<Item = Self::Out> + 's + use<'s, Self>, Failure>;
}

/// The partition that a step execution works on, as stored.
#[derive(Debug, Clone)]
pub(crate) struct Assigned {
    pub(crate) number: u32,
    pub(crate) name: Option<String>,
    pub(crate) part: String,
    /// Whether another process has split the input in this execution of the job.
    pub(crate) is_from_elsewhere: bool,
}

impl Assigned {
    pub(crate) fn partition<T: DeserializeOwned>(&self) -> Result<Partition<T>, Failure> {
        let name = self.name.clone().unwrap_or_default();
        Ok(Partition { name, number: self.number, range: decoded(&self.part)? })
    }
}

pub(crate) fn encoded<T: Serialize>(part: &T) -> Result<String, Failure> {
    exact_json::to_string(part)
        .map_err(|error| Failure::new(format!("a partition cannot be stored: {error}")))
}

pub(crate) fn decoded<T: DeserializeOwned>(part: &str) -> Result<T, Failure> {
    serde_json::from_str(part).map_err(|error| {
        Failure::new(format!(
            "the partition that an earlier execution stored cannot be read ({error}): {part}; finish the instance with the program it began with, or start a new one with `--next`"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_a_worker_would_read_as_another_one_is_refused() {
        let wide = 0..u128::MAX;
        assert_eq!(decoded::<std::ops::Range<u128>>(&encoded(&wide).unwrap()).unwrap(), wide);
        let refused = encoded(&(0.0..f64::INFINITY)).unwrap_err().to_string();
        assert!(
            refused.contains("a partition cannot be stored: field `end`: JSON has no number for inf"),
            "{refused}"
        );
    }
}
