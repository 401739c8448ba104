//! [`Form`]: how the bytes of a column's values are read, by the type of the column.

use tokio_postgres::types::{Kind, Type};

/// How the bytes of a value are read.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::readers::postgres) enum Form {
    Bool,
    Int2,
    Int4,
    Int8,
    Oid,
    Float4,
    Float8,
    Numeric,
    Text,
    /// The type `"char"`: a byte.
    Char,
    Bytea,
    Date,
    Time,
    TimeTz,
    Timestamp,
    TimestampTz,
    Interval,
    Uuid,
    Json,
    Jsonb,
    Inet,
    Array(Box<Form>),
    /// A value of a type that the reader cannot read.
    Unread,
}

impl Form {
    pub(in crate::readers::postgres) fn of(type_: &Type) -> Self {
        match *type_ {
            Type::BOOL => Self::Bool,
            Type::INT2 => Self::Int2,
            Type::INT4 => Self::Int4,
            Type::INT8 => Self::Int8,
            Type::OID => Self::Oid,
            Type::FLOAT4 => Self::Float4,
            Type::FLOAT8 => Self::Float8,
            Type::NUMERIC => Self::Numeric,
            Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME => Self::Text,
            Type::CHAR => Self::Char,
            Type::BYTEA => Self::Bytea,
            Type::DATE => Self::Date,
            Type::TIME => Self::Time,
            Type::TIMETZ => Self::TimeTz,
            Type::TIMESTAMP => Self::Timestamp,
            Type::TIMESTAMPTZ => Self::TimestampTz,
            Type::INTERVAL => Self::Interval,
            Type::UUID => Self::Uuid,
            Type::JSON => Self::Json,
            Type::JSONB => Self::Jsonb,
            Type::INET | Type::CIDR => Self::Inet,
            _ => match type_.kind() {
                Kind::Enum(_) => Self::Text,
                Kind::Domain(base) => Self::of(base),
                Kind::Array(element) => Self::Array(Box::new(Self::of(element))),
                // The server sends a value of `citext`, the type of an extension, as text.
                Kind::Simple if type_.name() == "citext" => Self::Text,
                _ => Self::Unread,
            },
        }
    }

    /// Returns whether the column's type alone decides which fields can hold a value, whatever its content is.
    pub(super) fn is_plain(&self) -> bool {
        !matches!(self, Self::Json | Self::Jsonb | Self::Array(_) | Self::Numeric)
    }
}
