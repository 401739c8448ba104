//! Says which items belong into one chunk: what `#[chunk_while]` functions implement.

use super::{Failure, Need, Scope};

/// Decides, item by item, whether a chunk goes on.
pub trait Grouping<Item> {
    /// The first item of a chunk.
    fn begins(&mut self, _first: &Item) {}

    /// An item that belongs to the chunk whatever it is, as the chunk is smaller than `chunk` says.
    fn takes(&mut self, _item: &Item) {}

    /// Does `next` belong to the chunk that ends with `last` so far?
    fn goes_on(&mut self, last: &Item, next: &Item) -> bool;
}

/// A function that compares an item with the one before it.
#[derive(Debug)]
pub struct Pairwise<F>(pub F);

impl<Item, F: FnMut(&Item, &Item) -> bool> Grouping<Item> for Pairwise<F> {
    #[inline]
    fn goes_on(&mut self, last: &Item, next: &Item) -> bool {
        (self.0)(last, next)
    }
}

/// A function that is shown the items of a chunk one after the other, with a state that begins again with each chunk.
#[derive(Debug)]
pub struct Totalled<S, F> {
    state: S,
    call: F,
}

impl<S: Default, F> Totalled<S, F> {
    /// That function.
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

/// What `#[chunk_while]` implements, whatever the items: the function says how far a chunk goes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say how far a chunk goes",
    label = "named in `chunk_while`",
    note = "put `#[chunk_while]` on a function `fn {Self}(last: &Item, next: &Item) -> bool`"
)]
pub trait IsGrouping {
    /// Named by generated code, to ask whether the trait holds.
    const IS: () = ();
}

/// What `#[chunk_while]` implements for the marker of the annotated function, for the items it looks at.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not look at `{Item}`, which this step reads",
    label = "is shown `{Item}` here",
    note = "change what the function looks at to `&{Item}`"
)]
pub trait GroupingDefinition<Item> {
    /// The function's name.
    const NAME: &'static str;
    /// What its arguments ask for.
    const NEEDS: &'static [Need];

    /// Binds the injected arguments.
    ///
    /// # Errors
    /// When an argument cannot be had.
    fn bind<'s>(scope: &Scope<'s>) -> Result<impl Grouping<Item> + 's + use<'s, Self, Item>, Failure>;
}
