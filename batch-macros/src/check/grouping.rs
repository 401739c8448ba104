//! A `chunk_while` function looks at items and answers yes or no. Its step must be able to keep groups intact.

use syn::{FnArg, Type};

use crate::errors::Errors;
use crate::model::component::Component;
use crate::model::grouping::Shape;
use crate::model::item::taken;
use crate::model::step::StepOptions;
use crate::model::types::{as_reference, is_named, shown};

/// The items that the function looks at; `None` if they are wrong, which is reported.
pub(crate) fn item(component: &Component<'_>, shape: Shape, errors: &mut Errors) -> Option<Type> {
    let name = component.name;
    let forms = format!(
        "write `fn {name}(last: &Item, next: &Item) -> bool`, or `fn {name}(next: &Item, #[state] total: &mut u64) -> bool`"
    );
    let returned = &component.returns;
    match &returned.written {
        Some(ty) if is_named(ty, "bool") => {}
        Some(ty) => errors.at(ty, "a `chunk_while` function says whether the chunk goes on: write `-> bool`"),
        None => errors.at(name, "a `chunk_while` function says whether the chunk goes on: write `-> bool`"),
    }
    let types: Vec<&Type> = component
        .function
        .sig
        .inputs
        .iter()
        .take(shape.shown())
        .filter_map(|input| match input {
            FnArg::Typed(typed) => Some(&*typed.ty),
            FnArg::Receiver(_) => None,
        })
        .collect();
    if types.len() < shape.shown() {
        errors.at(name, format!("a `chunk_while` function looks at items: {forms}"));
        return None;
    }
    for ty in &types {
        if as_reference(ty).is_none_or(|reference| reference.mutability.is_some()) {
            let seen = as_reference(ty).map_or_else(|| shown(ty), |reference| shown(&reference.elem));
            errors.at(ty, format!("a `chunk_while` function only looks at an item: write `&{seen}`"));
            return None;
        }
    }
    if let [last, next] = types[..]
        && shown(last) != shown(next)
    {
        errors.at(next, format!("the last item and the next must have the same type: {forms}"));
        return None;
    }
    types.last().map(|ty| taken(ty).item)
}

/// Checks `chunk_while` in combination with other options.
pub(crate) fn options(options: &StepOptions, errors: &mut Errors) {
    if let (None, Some(word)) =
        (&options.chunk_while, options.given.iter().find(|name| *name == "chunk_at_most"))
        && errors.is_empty()
    {
        errors.at(
            word,
            "`chunk_at_most` limits the chunks of `chunk_while`, and this step has none: add `chunk_while = same_customer`, or leave it out",
        );
    }
    if let (Some(grouping), Some(partitions)) = (&options.chunk_while, &options.partitions)
        && partitions.partitioner.is_none()
        && errors.is_empty()
    {
        errors.at_span(
            grouping.span(),
            "a reader splits its input anywhere, even inside a group that `chunk_while` keeps together: name a `partitioner` whose parts end between groups, or leave `partitions` out",
        );
    }
}
