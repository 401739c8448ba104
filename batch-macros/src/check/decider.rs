//! A decider returns a value that a job can match on.

use crate::errors::Errors;
use crate::model::component::Component;
use crate::model::types::{borrowed_part, impl_trait, is_named, is_unit, shown};

pub(crate) fn check(decider: &Component<'_>, errors: &mut Errors) {
    let value = &decider.returns.value;
    if decider.returns.written.is_none() {
        errors.at(
            decider.name,
            "a decider returns the value that the job matches on; return an enum or `bool`: `-> Quality`",
        );
    } else if is_unit(value) {
        errors.at(
            value,
            "a decider returns the value that the job matches on; write an enum or `bool` in place of `()`",
        );
    } else if let Some(found) = impl_trait(value) {
        errors.at(found, "a decider returns a named type; write an enum or `bool`");
    } else if let Some(part) = borrowed_part(value) {
        errors.at(part, "a decider's value outlives the call and cannot borrow; return an enum or `bool`");
    } else if is_named(value, "Repeat") {
        errors.at(value, "`Repeat` calls a tasklet again; a decider returns an enum or `bool`");
    } else if is_named(value, "String") {
        errors.at(
            value,
            format!(
                "a `match` cannot tell one `{}` from another; return an enum, or `&'static str`",
                shown(value)
            ),
        );
    }
}
