//! The two forms of a `#[chunk_while]` function: it compares the last item with the next, or keeps a state.

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
    /// Chooses the form by whether the function has a state.
    pub(crate) fn of(function: &ItemFn) -> Self {
        let has_state = function.sig.inputs.iter().any(|input| match input {
            FnArg::Typed(typed) => typed.attrs.iter().any(|attribute| attribute.path().is_ident("state")),
            FnArg::Receiver(_) => false,
        });
        if has_state { Self::Totalled } else { Self::Pairwise }
    }

    /// The number of arguments that are items.
    pub(crate) fn shown(self) -> usize {
        match self {
            Self::Pairwise => 2,
            Self::Totalled => 1,
        }
    }
}
