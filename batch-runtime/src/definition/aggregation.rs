//! Receives: what the partitions of a step came to: the states that a processor kept in each. Gives: the trait that
//! `#[aggregator]` implements, and what a step holds of its aggregator as a constant ([`Aggregation`]).

use serde_json::Value;

use super::{Failure, Need, Scope};

/// What `#[aggregator]` implements for the marker of the annotated function.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an aggregator",
    label = "cannot be handed what the partitions came to",
    note = "put `#[aggregator]` on a function `fn {Self}(parts: Vec<T>) -> U`"
)]
pub trait AggregatorDefinition: 'static {
    /// The function's name.
    const NAME: &'static str;
    /// What its arguments ask for.
    const NEEDS: &'static [Need];
    /// How the user spells [`Part`](Self::Part).
    const PART: &'static str;
    /// What it takes of each partition: the state of one of the step's processors.
    type Part;
    /// What it leaves.
    type Value: 'static;

    /// Calls the function over the states as they are stored, in the order of the partitions, and gives its value as JSON.
    /// A partition that has committed nothing has no state stored, and stands for its default.
    ///
    /// # Errors
    /// When a state or an argument cannot be had, the function returned an error, or its value does not serialise.
    fn aggregate(scope: &Scope<'_>, parts: Vec<Option<Value>>) -> Result<String, Failure>;
}

/// The aggregator of a step with partitions, as a constant.
#[derive(Debug, Clone, Copy)]
pub struct Aggregation {
    /// The aggregator's name.
    pub name: &'static str,
    /// The processor whose state is the result of a partition.
    pub keeper: Keeper,
    /// [`AggregatorDefinition::aggregate`].
    pub aggregate: fn(&Scope<'_>, Vec<Option<Value>>) -> Result<String, Failure>,
}

/// The processor of a step whose state is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keeper {
    /// Its name.
    pub name: &'static str,
    /// How many that are stored stand before it under that name: processors of other modules may have it too.
    pub before: usize,
    /// Is its state stored? One without a size is not: all its values are the default.
    pub stored: bool,
}
