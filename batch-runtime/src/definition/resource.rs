//! The trait that `#[resource]` implements, by which components ask for a shared value.

use super::{Failure, Need, Scope};

/// Implemented by `#[resource]` for the marker of the annotated function.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a resource",
    label = "an argument of type `&_` must be a resource",
    note = "put `#[resource]` on the function of this name, or take a job parameter by value"
)]
pub trait ResourceDefinition: 'static {
    /// The function's name.
    const NAME: &'static str;
    /// The needs of its arguments.
    const NEEDS: &'static [Need];
    /// The type of the shared value.
    type Value: Send + Sync + 'static;

    /// Calls the function.
    ///
    /// # Errors
    /// If an argument is unavailable, or the function returned an error.
    fn build(scope: &Scope<'_>) -> Result<Self::Value, Failure>;
}
