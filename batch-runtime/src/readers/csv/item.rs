//! [`CsvItem`], the trait of the types into which a [`CsvReader`](super::CsvReader) turns records.

use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::header;
use crate::readers::columns::{Decoder, ValueError};
use crate::readers::fields::{self, Misfit};
use crate::readers::framed::Encoding;
use crate::readers::lent::{Lending, Lent, LentSource, Parts};

/// The items of a [`CsvReader`](super::CsvReader): any serde type that owns its data, or a [`Lent`] record, from which
/// an item borrows.
#[diagnostic::on_unimplemented(
    message = "a reader cannot make a `{Self}` from a record",
    label = "`{Self}` does not implement `DeserializeOwned`",
    note = "write `#[derive(Deserialize)]` above the item; if the item has a lifetime, write `CsvReader<Item<'_>>`"
)]
pub trait CsvItem: Sized {
    /// True if the reader reuses the memory of the item.
    #[doc(hidden)]
    const IS_LENT: bool = false;

    /// Why no record with these columns should become an item.
    #[doc(hidden)]
    fn misfit(names: Names<'_>) -> Option<Misfit>;

    #[doc(hidden)]
    fn decode(record: Fielded<'_>) -> Result<Self, ValueError>;

    #[doc(hidden)]
    fn give_back(self, _to: Lender<'_>) {}
}

/// The names of the columns.
#[derive(Debug)]
pub struct Names<'a>(pub(super) &'a Decoder);

/// A record with its fields and its decoder.
#[derive(Debug)]
pub struct Fielded<'a> {
    pub(super) parts: Parts<'a>,
    pub(super) decoder: &'a mut Decoder,
    pub(super) lending: &'a mut Lending,
    pub(super) encoding: Encoding,
}

/// The reader that lent a record.
#[derive(Debug)]
pub struct Lender<'a>(pub(super) &'a mut Lending);

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned> CsvItem for T {
    #[inline]
    fn misfit(names: Names<'_>) -> Option<Misfit> {
        fields::misfit::<T>(names.0.names())
    }

    #[inline]
    fn decode(record: Fielded<'_>) -> Result<Self, ValueError> {
        record.decoder.decode(record.parts.fields)
    }
}

#[diagnostic::do_not_recommend]
impl<T: FieldNames> CsvItem for Lent<T> {
    const IS_LENT: bool = true;

    fn misfit(names: Names<'_>) -> Option<Misfit> {
        T::misfit(names)
    }

    #[inline]
    fn decode(record: Fielded<'_>) -> Result<Self, ValueError> {
        let Fielded { parts, decoder, lending, encoding } = record;
        let source = || LentSource {
            resource: Arc::clone(parts.place.resource),
            decoder: decoder.clone(),
            lacks: header::lacks,
            encoding,
        };
        Ok(lending.lend(&parts, source))
    }

    #[inline]
    fn give_back(self, to: Lender<'_>) {
        to.0.give_back(self);
    }
}

/// A type that borrows from a record, and whose fields are known before the first record.
#[diagnostic::on_unimplemented(
    message = "a reader cannot lend a `{Self}` from a record",
    label = "`{Self}` does not implement `Deserialize`",
    note = "write `#[derive(Deserialize)]` above `{Self}`"
)]
pub trait FieldNames {
    #[doc(hidden)]
    fn misfit(names: Names<'_>) -> Option<Misfit>;
}

#[diagnostic::do_not_recommend]
impl<T: Deserialize<'static>> FieldNames for T {
    fn misfit(names: Names<'_>) -> Option<Misfit> {
        fields::misfit::<T>(names.0.names())
    }
}
