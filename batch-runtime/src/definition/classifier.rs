//! Receives: a `#[classifier]` function. Gives: the trait by which a step routes items to writers.

use super::{Failure, Need, Raises, Scope};

/// What `#[classifier]` implements for the marker of the annotated function, for the one item type it looks at.
///
/// A step matches on what it returns: `flights | match kind { Kind::Late => save, Kind::OnTime => count }`.
#[diagnostic::on_unimplemented(
    message = "classifier `{Self}` does not take `{Item}`",
    label = "is asked about `{Item}`, which comes before it",
    note = "change the classifier's argument to `&{Item}`, or put a processor before it that returns what it takes"
)]
pub trait ClassifierDefinition<Item> {
    /// The function's name.
    const NAME: &'static str;
    /// What its arguments ask for.
    const NEEDS: &'static [Need];
    /// How it can fail.
    const RAISES: Raises = Raises::Unknown;
    /// What it returns.
    type Kind;

    /// Binds the injected arguments.
    ///
    /// # Errors
    /// When an argument cannot be had.
    fn bind<'s>(
        scope: &Scope<'s>,
    ) -> Result<impl FnMut(&Item) -> Result<Self::Kind, Failure> + 's + use<'s, Self, Item>, Failure>;
}
