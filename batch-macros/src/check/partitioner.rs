//! A partitioner returns named parts of the input.

use syn::Type;

use crate::errors::Errors;
use crate::model::component::Component;
use crate::model::types::{borrowed_part, is_named, only_argument};

/// `Range` of `Vec<(String, Range)>`; `None` if the function returns anything else, which is reported.
pub(crate) fn range<'c>(component: &'c Component<'_>, errors: &mut Errors) -> Option<&'c Type> {
    let returns = &component.returns;
    let pair = only_argument(&returns.value, "Vec").and_then(|item| match item {
        Type::Tuple(tuple) => Some(&tuple.elems),
        _ => None,
    });
    let range = pair.and_then(|pair| match (pair.first(), pair.get(1), pair.len()) {
        (Some(name), Some(range), 2) if is_named(name, "String") => Some(range),
        _ => None,
    });
    let message = "a partitioner returns the parts of the input with their names: write `-> Vec<(String, Range)>`, or that in a `Result`";
    match (range, &returns.written) {
        (Some(range), _) => {
            if let Some(part) = borrowed_part(range) {
                errors.at(
                    part,
                    "the range of a partition is stored, so it must own its data: return an owned type",
                );
            }
        }
        (None, Some(_)) => errors.at(&returns.value, message),
        (None, None) => errors.at(component.name, message),
    }
    range
}
