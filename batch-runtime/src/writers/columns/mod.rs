//! Writes the fields of an item as columns of text.

mod field;
mod none;
mod number;
mod record;

pub(super) use field::Format;
#[cfg(feature = "fixed")]
pub(super) use field::ItemError;
pub(super) use record::{Columns, append, columns};
