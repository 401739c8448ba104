//! Reads an annotated function as a component: its role, its injected arguments and its return type.

use proc_macro2::Ident;
use syn::ItemFn;

use super::argument::{Argument, Role, arguments};
use super::returns::{Returns, returns};
use crate::check;
use crate::errors::Errors;

/// An annotated function that the framework calls.
pub(crate) struct Component<'f> {
    pub(crate) role: Role,
    pub(crate) function: &'f ItemFn,
    pub(crate) name: &'f Ident,
    pub(crate) arguments: Vec<Argument>,
    pub(crate) returns: Returns,
}

impl<'f> Component<'f> {
    /// Reads a function and applies the checks that hold for every component.
    pub(crate) fn read(role: Role, function: &'f ItemFn, errors: &mut Errors) -> Self {
        Self::read_after(usize::from(role.takes_items()), role, function, errors)
    }

    /// Like [`read`](Self::read), for a function whose first arguments are not injected.
    pub(crate) fn read_after(first: usize, role: Role, function: &'f ItemFn, errors: &mut Errors) -> Self {
        check::signature::check(role.noun(), function, errors);
        if role != Role::Processor {
            check::signature::not_async(role.noun(), function, errors);
        }
        let arguments = arguments(role, function, first, errors);
        check::injection::check(role, &arguments, errors);
        Self { role, function, name: &function.sig.ident, arguments, returns: returns(function) }
    }

    /// The name in the engine's messages: "reader `flights`".
    pub(crate) fn described(&self) -> String {
        format!("{} `{}`", self.role.noun(), self.name)
    }
}
