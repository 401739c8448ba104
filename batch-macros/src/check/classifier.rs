//! A classifier looks at an item and returns the enum that the step matches on.

use crate::errors::Errors;
use crate::model::component::Component;
use crate::model::item::{check_owned, check_returns_value, first_argument, taken};
use crate::model::types::{as_reference, impl_trait, shown};

pub(crate) fn check(component: &Component<'_>, errors: &mut Errors) {
    let name = component.name;
    match first_argument(component.function) {
        None => errors.at(
            name,
            format!("a classifier takes the item as its first argument: `fn {name}(item: &Item) -> Kind`"),
        ),
        Some(ty) => match as_reference(ty) {
            Some(reference) if reference.mutability.is_none() => check_owned(&taken(ty).item, errors),
            Some(reference) => {
                errors.at(
                    ty,
                    format!("a classifier only looks at the item: write `&{}`", shown(&reference.elem)),
                );
            }
            None => errors.at(ty, format!("a classifier only looks at the item: write `&{}`", shown(ty))),
        },
    }
    let returns = &component.returns;
    let returns_value = check_returns_value(
        &returns.value,
        returns.written.as_ref(),
        component.function,
        "a classifier returns the enum that the step matches on: `-> Kind`",
        errors,
    );
    if returns_value {
        match impl_trait(&returns.value) {
            Some(opaque) => errors.at(opaque, "a classifier returns a named enum: write its name"),
            None => check_owned(&returns.value, errors),
        }
    }
}
