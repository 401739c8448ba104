//! A processor takes an item and returns the one to pass on.

use syn::spanned::Spanned;

use crate::errors::Errors;
use crate::model::component::Component;
use crate::model::item::{
    Yield, bulk_outcome, check_owned, check_returns_value, first_argument, slice_element, taken, yielded,
};
use crate::model::types::{as_reference, impl_trait, only_argument, shown};

/// `one_at_a_time` is true if each call ends before the next record is read.
pub(crate) fn check(component: &Component<'_>, bulk: bool, one_at_a_time: bool, errors: &mut Errors) {
    check_argument(component, bulk, one_at_a_time, errors);
    let returns = &component.returns;
    let returns_value = check_returns_value(
        &returns.value,
        returns.written.as_ref(),
        component.function,
        "a processor returns the item to pass on: `-> Out`, or `-> Option<Out>` to filter; a function that only writes is a `#[writer]`",
        errors,
    );
    if !returns_value {
        return;
    }
    let value = &returns.value;
    if bulk {
        match only_argument(value, "Vec") {
            Some(outcome) => check_out(&bulk_outcome(outcome).1, errors),
            None => errors.at(
                value,
                format!(
                    "a bulk processor returns one outcome for each item, in the same order: write `Vec<{}>`",
                    match yielded(value) {
                        (Yield::Several, _) => shown(value),
                        (_, item) => shown(&item),
                    }
                ),
            ),
        }
        return;
    }
    if let Some(inner) = only_argument(value, "Option")
        && let Some(inside) = only_argument(inner, "Result")
    {
        errors.at(value, format!("the `Result` goes outside: write `Result<Option<{}>, ..>`", shown(inside)));
        return;
    }
    if let syn::Type::ImplTrait(opaque) = value {
        errors.at(
            opaque,
            "a processor returns a named type; to return several items, collect them: `Many<Vec<..>>`",
        );
        return;
    }
    check_out(&yielded(value).1, errors);
}

fn check_out(out: &syn::Type, errors: &mut Errors) {
    match impl_trait(out) {
        Some(opaque) => errors.at(opaque, "an item needs a named type: write it out, such as `Vec<Out>`"),
        None => check_owned(out, errors),
    }
}

fn check_argument(component: &Component<'_>, bulk: bool, one_at_a_time: bool, errors: &mut Errors) {
    let Some(ty) = first_argument(component.function) else {
        let form = if bulk { "items: &[In]" } else { "item: In" };
        errors.at(
            component.name,
            format!(
                "a processor takes its input as the first argument: `fn {}({form}) -> Out`",
                component.name
            ),
        );
        return;
    };
    if bulk {
        match slice_element(component.function) {
            Some(item) => check_owned(item, errors),
            None => errors.at(
                ty,
                format!(
                    "a bulk processor takes a whole chunk at once: write `&[{}]`",
                    shown(&taken(ty).item)
                ),
            ),
        }
        return;
    }
    if let Some(reference) = as_reference(ty)
        && reference.mutability.is_some()
    {
        errors
            .at(ty, format!("take the item by value and change it: `mut item: {}`", shown(&reference.elem)));
        return;
    }
    if let Some(opaque) = impl_trait(ty) {
        errors.push(syn::Error::new(opaque.span(), "an item needs a named type: write it out"));
        return;
    }
    // If calls run one at a time, the item may borrow from its record.
    if !one_at_a_time {
        check_owned(&taken(ty).item, errors);
    }
}
