//! An aggregator takes the results of the partitions and returns the step's output.

use quote::ToTokens;
use syn::Type;

use crate::errors::Errors;
use crate::model::component::Component;
use crate::model::item::{first_argument, slice_element};
use crate::model::returns::item_of_impl;
use crate::model::step::StepOptions;
use crate::model::types::{as_reference, borrowed_part, impl_trait, only_argument, shown};

/// `T` of the first argument `Vec<T>`; `None` if it is anything else, which is reported.
pub(crate) fn part<'c>(component: &'c Component<'_>, errors: &mut Errors) -> Option<&'c Type> {
    let given = first_argument(component.function);
    let part = given.and_then(|ty| only_argument(ty, "Vec"));
    match (part, given) {
        (Some(part), _) => {
            if let Some(opaque) = impl_trait(part) {
                errors.at(opaque, "the state of a processor needs a named type: write it out");
            } else if let Some(borrowed) = borrowed_part(part) {
                errors.at(
                    borrowed,
                    "a partition's result is stored, so it must own its data: write an owned type",
                );
            }
        }
        (None, Some(given)) => errors.at(
            given,
            format!("an aggregator takes the results of all partitions: write {}", form(component)),
        ),
        (None, None) => errors.at(
            component.name,
            format!(
                "an aggregator takes the results of all partitions as its first argument: write {}",
                form(component)
            ),
        ),
    }
    part
}

/// The signature to write, with the function's own types where they are known.
fn form(component: &Component<'_>) -> String {
    let part = first_argument(component.function).and_then(|ty| {
        let inner = as_reference(ty).map_or(ty, |reference| &*reference.elem);
        slice_element(component.function)
            .or_else(|| only_argument(inner, "Vec"))
            .map(shown)
            .or_else(|| item_of_impl(ty, "Iterator").map(|item| shown(&item)))
            .or_else(|| impl_trait(inner).is_none().then(|| shown(&inner)))
    });
    let part = part.unwrap_or_else(|| "T".to_owned());
    let returned =
        component.returns.written.as_ref().map_or_else(|| "U".to_owned(), |ty| shown(&ty.to_token_stream()));
    format!("`fn {}(parts: Vec<{part}>) -> {returned}`", component.name)
}

/// Checks the return type, whose value is stored.
pub(crate) fn value(component: &Component<'_>, errors: &mut Errors) {
    let value = &component.returns.value;
    if component.returns.written.is_none() {
        errors.at(
            component.name,
            "an aggregator returns the step's output: `-> Total`, or `-> Result<(), ..>` if it only checks",
        );
    } else if let Some(opaque) = impl_trait(value) {
        errors.at(opaque, "an aggregator returns a named type: write it out");
    } else if let Some(part) = borrowed_part(value) {
        errors.at(part, "an aggregator's result is stored, so it must own its data: return an owned type");
    }
}

/// Reports `aggregator` in a step without partitions.
pub(crate) fn without_partitions(options: &StepOptions, errors: &mut Errors) {
    if options.partitions.is_none()
        && let Some(word) = options.given.iter().find(|name| *name == "aggregator")
    {
        errors.at(
            word,
            "`aggregator` combines the results of partitions, and this step has none: add `partitions = 8` or `partitioner = regions`, or leave `aggregator` out",
        );
    }
}
