//! Receives: the serde value that a tasklet or an aggregator returns. Gives: [`Output`], by which later components ask for it.

use std::fmt;
use std::ops::Deref;

/// A step that leaves a value: a tasklet that returns a serde type, or a step with an `aggregator`.
#[diagnostic::on_unimplemented(
    message = "step `{Self}` leaves no output",
    label = "leaves nothing",
    note = "let the tasklet `{Self}` return a type that derives `Serialize` and `Deserialize`;\na step with `partitions` leaves what its `aggregator` returns"
)]
pub trait Produces: 'static {
    /// The module and name.
    const ID: &'static str;
    /// The bare name.
    const NAME: &'static str;
    /// What it leaves.
    type Value: 'static;
}

/// What a step left behind, asked for as `&Output<step>`; dereferences to the value.
pub struct Output<S: Produces>(S::Value);

impl<S: Produces> Output<S> {
    /// Wraps a value, so that a component that asks for an output can be called in a test.
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
