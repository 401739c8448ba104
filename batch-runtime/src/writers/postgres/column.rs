//! The types of columns that can be written.

use tokio_postgres::types::{Oid, Type};

/// A column of the table.
#[derive(Debug, Clone)]
pub(in crate::writers) struct Column {
    /// The type of the column, as the server numbers it.
    pub(super) oid: Oid,
    /// The type of the column, as a message names it.
    pub(super) type_name: Box<str>,
    /// The kind of its values, or of the elements of its arrays.
    pub(super) scalar: Scalar,
    /// The type of the elements, if it holds arrays.
    pub(super) element: Option<Oid>,
}

/// The kinds of values that are encoded differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scalar {
    Bool,
    Int2,
    Int4,
    Int8,
    Float4,
    Float8,
    /// A number, which the server rounds to these digits if the type limits them.
    Numeric(Option<Digits>),
    /// Text of at most this many characters; also the names of an enum, which the server checks.
    Text(Option<u32>),
    /// Text that is padded with spaces to this many characters.
    Char(u32),
    Bytes,
    Date,
    /// A time with this many digits of a second.
    Time(u32),
    Timestamp(u32),
    TimestampTz(u32),
    Uuid,
    Json,
    Jsonb,
    /// A type that the writer cannot write.
    Other,
}

/// The digits of a `numeric(precision, scale)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Digits {
    pub(super) precision: i32,
    /// The number of digits after the point; negative if the last digits before it are rounded too.
    pub(super) scale: i32,
}

/// The length of the header that the modifier of a type includes.
const HEADER: i32 = 4;

/// The digits of a second, unless the column has fewer.
const MICROSECONDS: u32 = 6;

impl Scalar {
    /// Returns the kind of a built-in type's values or, for arrays, of their elements, and the type of the elements.
    /// `modifier` is the server's encoding of the part in parentheses.
    pub(super) fn of(oid: Oid, modifier: i32) -> Option<(Self, Option<Oid>)> {
        let (type_, is_array) = BUILT_IN.iter().find_map(|(type_, array)| {
            (type_.oid() == oid)
                .then_some((type_, false))
                .or_else(|| (array.oid() == oid).then_some((type_, true)))
        })?;
        let length = u32::try_from(modifier - HEADER).ok();
        let digits = u32::try_from(modifier).unwrap_or(MICROSECONDS);
        let scalar = match *type_ {
            Type::BOOL => Self::Bool,
            Type::INT2 => Self::Int2,
            Type::INT4 => Self::Int4,
            Type::INT8 => Self::Int8,
            Type::FLOAT4 => Self::Float4,
            Type::FLOAT8 => Self::Float8,
            Type::NUMERIC => Self::Numeric((modifier >= HEADER).then(|| Digits::of(modifier))),
            Type::BPCHAR => length.map_or(Self::Text(None), Self::Char),
            Type::BYTEA => Self::Bytes,
            Type::DATE => Self::Date,
            Type::TIME => Self::Time(digits),
            Type::TIMESTAMP => Self::Timestamp(digits),
            Type::TIMESTAMPTZ => Self::TimestampTz(digits),
            Type::UUID => Self::Uuid,
            Type::JSON => Self::Json,
            Type::JSONB => Self::Jsonb,
            Type::TEXT | Type::NAME => Self::Text(None),
            Type::VARCHAR => Self::Text(length),
            _ => Self::Other,
        };
        Some((scalar, is_array.then(|| type_.oid())))
    }
}

impl Digits {
    fn of(modifier: i32) -> Self {
        let modifier = modifier - HEADER;
        // The scale has eleven bits, the highest of which is the sign.
        Self { precision: modifier >> 16 & 0xffff, scale: ((modifier & 0x7ff) ^ 1024) - 1024 }
    }
}

/// The built-in types that the writer can write, and their arrays.
const BUILT_IN: [(Type, Type); 19] = [
    (Type::BOOL, Type::BOOL_ARRAY),
    (Type::INT2, Type::INT2_ARRAY),
    (Type::INT4, Type::INT4_ARRAY),
    (Type::INT8, Type::INT8_ARRAY),
    (Type::FLOAT4, Type::FLOAT4_ARRAY),
    (Type::FLOAT8, Type::FLOAT8_ARRAY),
    (Type::NUMERIC, Type::NUMERIC_ARRAY),
    (Type::TEXT, Type::TEXT_ARRAY),
    (Type::VARCHAR, Type::VARCHAR_ARRAY),
    (Type::BPCHAR, Type::BPCHAR_ARRAY),
    (Type::NAME, Type::NAME_ARRAY),
    (Type::BYTEA, Type::BYTEA_ARRAY),
    (Type::DATE, Type::DATE_ARRAY),
    (Type::TIME, Type::TIME_ARRAY),
    (Type::TIMESTAMP, Type::TIMESTAMP_ARRAY),
    (Type::TIMESTAMPTZ, Type::TIMESTAMPTZ_ARRAY),
    (Type::UUID, Type::UUID_ARRAY),
    (Type::JSON, Type::JSON_ARRAY),
    (Type::JSONB, Type::JSONB_ARRAY),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digits_of_a_numeric_column_are_read_from_its_modifier() {
        // As PostgreSQL packs them: `((precision << 16) | (scale & 0x7ff)) + 4`.
        for (precision, scale) in [(10, 2), (1, 0), (1000, 1000), (3, -2), (2, 5), (1000, -1000)] {
            let modifier = ((precision << 16) | (scale & 0x7ff)) + 4;
            assert_eq!(Digits::of(modifier), Digits { precision, scale });
        }
    }
}
