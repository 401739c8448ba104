//! A tasklet returns nothing, `Repeat`, or a value that owns its data.

use crate::errors::Errors;
use crate::model::component::Component;
use crate::model::step::StepOptions;
use crate::model::types::{borrowed_part, impl_trait, is_named};

pub(crate) fn check(component: &Component<'_>, errors: &mut Errors) {
    let value = &component.returns.value;
    if let Some(opaque) = impl_trait(value) {
        errors.at(opaque, "a tasklet returns a named type: write it out");
    } else if let Some(part) = borrowed_part(value) {
        errors.at(part, "a tasklet's value outlives the call, so it must own its data: return an owned type");
    }
}

/// Checks `timeout`: a call cannot be interrupted, so a limit only has an effect between calls.
pub(crate) fn timeout(options: &StepOptions, component: &Component<'_>, errors: &mut Errors) {
    if let Some(timeout) = options.given.iter().find(|name| *name == "timeout")
        && !is_named(&component.returns.value, "Repeat")
    {
        errors.at(
            timeout,
            "`timeout` is checked between the calls of a tasklet, and this one is called once and cannot be interrupted: return `Repeat` and do part of the work in each call, or leave `timeout` out",
        );
    }
}
