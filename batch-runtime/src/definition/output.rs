//! [`Output`], by which later components receive the serde value that a tasklet or an aggregator returned.

use std::fmt;
use std::ops::Deref;

/// A step with an output: a tasklet that returns a serde type, or a step with an `aggregator`.
#[diagnostic::on_unimplemented(
    message = "step `{Self}` has no output",
    label = "has no output",
    note = "let the tasklet `{Self}` return a type that derives `Serialize` and `Deserialize`;\nthe output of a step with `partitions` is what its `aggregator` returns"
)]
pub trait Produces: 'static {
    /// The module and name.
    const ID: &'static str;
    /// The bare name.
    const NAME: &'static str;
    /// The type of the output.
    type Value: 'static;
}

/// The output of a step, injected as `&Output<step>`. It dereferences to the value.
pub struct Output<S: Produces>(S::Value);

impl<S: Produces> Output<S> {
    /// Wraps a value, so that a test can call a component that needs an output.
    #[must_use]
    pub fn new(value: S::Value) -> Self {
        Self(value)
    }
}

impl<S: Produces> Deref for Output<S> {
    type Target = S::Value;

    fn deref(&self) -> &S::Value {
        &self.0
    }
}

impl<S: Produces> fmt::Debug for Output<S>
where
    S::Value: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
