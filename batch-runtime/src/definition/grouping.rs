//! The traits that `#[chunk_while]` functions implement, which decide which items belong to one chunk.

use super::{Failure, Need, Scope};

/// Decides, item by item, whether a chunk continues.
pub trait Grouping<Item> {
    /// Starts a chunk with its first item.
    fn begins(&mut self, _first: &Item) {}

    /// Records an item that joins the chunk without a decision, because the chunk still has fewer items than `chunk`.
    fn takes(&mut self, _item: &Item) {}

    /// Returns whether `next` belongs to the chunk whose last item is `last`.
    fn goes_on(&mut self, last: &Item, next: &Item) -> bool;
}

/// A function that compares an item with the previous one.
#[derive(Debug)]
pub struct Pairwise<F>(pub F);

impl<Item, F: FnMut(&Item, &Item) -> bool> Grouping<Item> for Pairwise<F> {
    #[inline]
    fn goes_on(&mut self, last: &Item, next: &Item) -> bool {
        (self.0)(last, next)
    }
}

/// A function that sees the items of a chunk one by one, with a state that is reset for each chunk.
#[derive(Debug)]
pub struct Totalled<S, F> {
    state: S,
    call: F,
}

impl<S: Default, F> Totalled<S, F> {
    /// Wraps the function.
    pub fn new<Item>(call: F) -> Self
    where
        F: FnMut(&mut S, &Item) -> bool,
    {
        Self { state: S::default(), call }
    }
}

impl<Item, S: Default, F: FnMut(&mut S, &Item) -> bool> Grouping<Item> for Totalled<S, F> {
    #[inline]
    fn begins(&mut self, first: &Item) {
        self.state = S::default();
        (self.call)(&mut self.state, first);
    }

    #[inline]
    fn takes(&mut self, item: &Item) {
        (self.call)(&mut self.state, item);
    }

    #[inline]
    fn goes_on(&mut self, _: &Item, next: &Item) -> bool {
        (self.call)(&mut self.state, next)
    }
}

/// Implemented by `#[chunk_while]` regardless of the item type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not decide where a chunk ends",
    label = "named in `chunk_while`",
    note = "put `#[chunk_while]` on a function `fn {Self}(last: &Item, next: &Item) -> bool`"
)]
pub trait IsGrouping {
    /// Named by generated code to check the trait.
    const IS: () = ();
}

/// Implemented by `#[chunk_while]` for the marker of the annotated function and the items it compares.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not compare `{Item}`, which this step reads",
    label = "receives `{Item}` here",
    note = "change the function's arguments to `&{Item}`"
)]
pub trait GroupingDefinition<Item> {
    /// The function's name.
    const NAME: &'static str;
    /// The needs of its arguments.
    const NEEDS: &'static [Need];

    /// Binds the injected arguments.
    ///
    /// # Errors
    /// If an argument is unavailable.
    fn bind<'s>(scope: &Scope<'s>) -> Result<impl Grouping<Item> + 's + use<'s, Self, Item>, Failure>;
}
