//! A tasklet returns nothing, `Repeat`, or a value that owns its data.

use crate::errors::Errors;
use crate::model::component::Component;
use crate::model::types::{borrowed_part, impl_trait};

pub(crate) fn check(component: &Component<'_>, errors: &mut Errors) {
    let value = &component.returns.value;
    if let Some(opaque) = impl_trait(value) {
        errors.at(opaque, "what a tasklet returns has a type with a name: write it out");
    } else if let Some(part) = borrowed_part(value) {
        errors.at(part, "what a tasklet returns outlives its call and owns its data: return an owned type");
    }
}
