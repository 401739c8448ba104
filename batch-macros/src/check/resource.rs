//! A resource returns a value that components share, and a database returns how to connect to it.

use crate::errors::Errors;
use crate::model::argument::Role;
use crate::model::component::Component;
use crate::model::item::check_returns_value;
use crate::model::types::{borrowed_part, impl_trait};

pub(crate) fn check(component: &Component<'_>, errors: &mut Errors) {
    let returns = &component.returns;
    let message = match component.role {
        Role::Database => {
            "a database function returns how to connect: `-> Sqlite`, or `-> Result<Sqlite, ..>`"
        }
        _ => {
            "a resource function returns the value that components share: `-> Client`, or `-> Result<Client, ..>`"
        }
    };
    if !check_returns_value(&returns.value, returns.written.as_ref(), component.function, message, errors) {
        return;
    }
    if let Some(opaque) = impl_trait(&returns.value) {
        errors.at(
            opaque,
            format!("components ask for a {} by its type: write the type out", component.role.noun()),
        );
    } else if let Some(part) = borrowed_part(&returns.value) {
        errors.at(part, "a resource lives as long as the job and owns its data: return an owned type");
    }
}
