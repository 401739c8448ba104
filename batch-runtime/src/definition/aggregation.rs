//! The trait that `#[aggregator]` implements: it combines the states of a step's partitions into one value. A
//! step holds its aggregator as a constant, [`Aggregation`].

use serde_json::value::RawValue;

use super::{Failure, Need, Scope};

/// Implemented by `#[aggregator]` for the marker of the annotated function.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an aggregator",
    label = "cannot aggregate the results of partitions",
    note = "put `#[aggregator]` on a function `fn {Self}(parts: Vec<T>) -> U`"
)]
pub trait AggregatorDefinition: 'static {
    /// The function's name.
    const NAME: &'static str;
    /// The needs of its arguments.
    const NEEDS: &'static [Need];
    /// The spelling of [`Part`](Self::Part) in the source.
    const PART: &'static str;
    /// The contribution of one partition: the state of one of the step's processors.
    type Part;
    /// The value that the aggregator returns.
    type Value: 'static;

    /// Calls the function with the stored states, in the order of the partitions, and returns its value as
    /// JSON. A partition that has committed nothing has no stored state and counts as the default.
    ///
    /// # Errors
    /// If a state or an argument is unavailable, the function returns an error, or its value cannot be
    /// serialised.
    fn aggregate(scope: &Scope<'_>, parts: StoredStates) -> Result<String, Failure>;
}

/// The stored states of the partitions as JSON, in the order of the partitions.
pub type StoredStates = Vec<Option<Box<RawValue>>>;

/// The aggregator of a step with partitions, as a constant.
#[derive(Debug, Clone, Copy)]
pub struct Aggregation {
    /// The aggregator's name.
    pub name: &'static str,
    /// The processor whose state is the result of a partition.
    pub keeper: AggregatedProcessor,
    /// [`AggregatorDefinition::aggregate`].
    pub aggregate: fn(&Scope<'_>, StoredStates) -> Result<String, Failure>,
}

/// The processor whose state an aggregator takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AggregatedProcessor {
    /// Its name.
    pub name: &'static str,
    /// The number of stored states with this name that precede its own: processors of other modules may share the name.
    pub before: usize,
    /// True if its state is stored. A zero-sized state is not: its only value is the default.
    pub stored: bool,
}
