//! A reader returns a source that yields items one by one.

use crate::errors::Errors;
use crate::model::component::Component;
use crate::model::item::{Source, check_owned, check_returns_value, source};
use crate::model::types::{as_reference, impl_trait, only_argument, shown};

pub(crate) fn check(component: &Component<'_>, errors: &mut Errors) {
    let returns = &component.returns;
    let returns_value = check_returns_value(
        &returns.value,
        returns.written.as_ref(),
        component.function,
        "a reader returns the source of its items: write `-> impl Iterator<Item = ..>` or a reader such as `CsvReader<..>`",
        errors,
    );
    if !returns_value {
        return;
    }
    let value = &returns.value;
    match source(value) {
        Source::Iterator { item } | Source::FallibleIterator { item } | Source::OpaqueReader { item, .. } => {
            check_owned(&item, errors);
        }
        Source::Reader => {
            if let Some(item) = only_argument(value, "Vec").or_else(|| only_argument(value, "Option")) {
                errors.at(
                    value,
                    format!(
                        "a reader yields items one by one: return `impl Iterator<Item = {}>` and call `.into_iter()`",
                        shown(item)
                    ),
                );
                return;
            }
            if let Some(opaque) = impl_trait(value) {
                errors.at(
                    opaque,
                    "a reader returns `impl Iterator<Item = ..>`, with the item's type written out, or a reader such as `CsvReader<..>`",
                );
                return;
            }
            if as_reference(value).is_some() {
                errors.at(value, "a reader returns the source of its items by value: leave the `&` out");
            }
        }
    }
}
