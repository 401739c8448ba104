//! What a `#[chunk_while]` function looks at: the item before and the next, or the next and a state.

use syn::{FnArg, ItemFn};

/// The two forms of the function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `(last: &Item, next: &Item, ..)`
    Pairwise,
    /// `(next: &Item, #[state] total: &mut u64, ..)`
    Totalled,
}

impl Shape {
    /// Told by whether there is a state.
    pub(crate) fn of(function: &ItemFn) -> Self {
        let has_state = function.sig.inputs.iter().any(|input| match input {
            FnArg::Typed(typed) => typed.attrs.iter().any(|attribute| attribute.path().is_ident("state")),
            FnArg::Receiver(_) => false,
        });
        if has_state { Self::Totalled } else { Self::Pairwise }
    }

    /// How many of its arguments are items.
    pub(crate) fn shown(self) -> usize {
        match self {
            Self::Pairwise => 2,
            Self::Totalled => 1,
        }
    }
}
