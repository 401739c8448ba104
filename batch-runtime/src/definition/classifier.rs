//! The trait that `#[classifier]` implements, by which a step routes items to writers.

use super::{Failure, Need, Raises, Scope};

/// Implemented by `#[classifier]` for the marker of the annotated function and the one item type it looks at.
///
/// A step matches on the returned value:
/// `flights | match kind { Kind::Late => save, Kind::OnTime => count }`.
#[diagnostic::on_unimplemented(
    message = "classifier `{Self}` does not take `{Item}`",
    label = "receives `{Item}` here",
    note = "change the classifier's argument to `&{Item}`, or add a processor that returns the type that the classifier takes"
)]
pub trait ClassifierDefinition<Item> {
    /// The function's name.
    const NAME: &'static str;
    /// The needs of its arguments.
    const NEEDS: &'static [Need];
    /// The errors it can return.
    const RAISES: Raises = Raises::Unknown;
    /// The type it returns.
    type Kind;

    /// Binds the injected arguments.
    ///
    /// # Errors
    /// If an argument is unavailable.
    fn bind<'s>(
        scope: &Scope<'s>,
    ) -> Result<impl FnMut(&Item) -> Result<Self::Kind, Failure> + 's + use<'s, Self, Item>, Failure>;
}
