//! Receives: a `#[resource]` function. Gives: the trait by which components ask for what it returns.

use super::{Failure, Need, Scope};

/// What `#[resource]` implements for the marker of the annotated function.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a resource",
    label = "an argument behind `&` is a resource",
    note = "put `#[resource]` on the function of this name, or take a job parameter by value"
)]
pub trait ResourceDefinition: 'static {
    /// The function's name.
    const NAME: &'static str;
    /// What its arguments ask for.
    const NEEDS: &'static [Need];
    /// What is shared.
    type Value: Send + Sync + 'static;

    /// Calls the function.
    ///
    /// # Errors
    /// When an argument cannot be had, or the function returned an error.
    fn build(scope: &Scope<'_>) -> Result<Self::Value, Failure>;
}
