//! A writer takes the items of a chunk as `&[Item]`, or returns a writer object.

use syn::{ItemFn, Type};

use crate::errors::Errors;
use crate::model::argument::Role;
use crate::model::component::Component;
use crate::model::item::{check_owned, first_argument, slice_element};
use crate::model::returns::{item_of_impl, returns};
use crate::model::types::{as_reference, impl_trait, is_unit, only_argument, shown};

/// Tells whether the function takes items or returns a writer object; `None` if it does neither.
pub(crate) fn role(function: &ItemFn, errors: &mut Errors) -> Option<Role> {
    if slice_element(function).is_some() {
        return Some(Role::Writer);
    }
    let returned = returns(function);
    if returned.written.is_some() && !is_unit(&returned.value) {
        return Some(Role::WriterObject);
    }
    let name = &function.sig.ident;
    match first_argument(function) {
        None => errors.at(
            name,
            format!("a writer takes the items of a chunk as its first argument: `fn {name}(items: &[Item])`"),
        ),
        Some(ty) => {
            let seen = as_reference(ty).map_or(ty, |reference| &*reference.elem);
            let element = match seen {
                Type::Slice(slice) => shown(&slice.elem),
                other => only_argument(other, "Vec").map_or_else(|| shown(other), shown),
            };
            errors.at(ty, format!("a writer borrows all items of a chunk at once: write `&[{element}]`"));
        }
    }
    None
}

pub(crate) fn check(component: &Component<'_>, errors: &mut Errors) {
    if component.role == Role::Writer {
        if let Some(item) = slice_element(component.function) {
            check_owned(item, errors);
        }
        if let Some(reference) = first_argument(component.function).and_then(as_reference)
            && reference.mutability.is_some()
        {
            let element = slice_element(component.function).map(shown).unwrap_or_default();
            errors.at(reference, format!("a writer only reads the items: write `&[{element}]`"));
        }
        let value = &component.returns.value;
        if !is_unit(value) {
            errors.at(
                value,
                "a writer of items returns nothing, or `Result<(), ..>`; a function that returns a writer object takes no items",
            );
        }
        return;
    }
    let value = &component.returns.value;
    if item_of_impl(value, "Writer").is_none()
        && let Some(opaque) = impl_trait(value)
    {
        errors.at(opaque, "return a writer object as `impl Writer<Item = ..>`, with the item's type written out, or name the type of the writer");
    }
}
