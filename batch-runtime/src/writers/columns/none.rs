//! Tells whether a value is `None`, for fields whose text does not show it.

use serde::ser::{Serialize, Serializer};

use super::field::ItemError;
use crate::writers::serialize::single_value;

/// Returns whether a value is `None`, which a `Some` must not contain.
pub(super) fn is_none<T: Serialize + ?Sized>(value: &T) -> Result<bool, ItemError> {
    value.serialize(IsNone)
}

/// The serializer of a value that has already been written as one field.
struct IsNone;

macro_rules! values {
    ($($method:ident $type:ty;)*) => {$(
        fn $method(self, _: $type) -> Result<bool, ItemError> {
            Ok(false)
        }
    )*};
}

impl Serializer for IsNone {
    single_value!(
        bool,
        ItemError,
        ItemError::new,
        "an enum variant with a value",
        "an enum variant with values"
    );

    values! {
        serialize_bool bool;
        serialize_i8 i8;
        serialize_i16 i16;
        serialize_i32 i32;
        serialize_i64 i64;
        serialize_i128 i128;
        serialize_u8 u8;
        serialize_u16 u16;
        serialize_u32 u32;
        serialize_u64 u64;
        serialize_u128 u128;
        serialize_f32 f32;
        serialize_f64 f64;
        serialize_str &str;
        serialize_bytes &[u8];
    }

    fn serialize_none(self) -> Result<bool, ItemError> {
        Ok(true)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<bool, ItemError> {
        if is_none(value)? { Err(ItemError::some_without_value()) } else { Ok(false) }
    }
}
