//! Encodes parameters as bytes, so that a statement can stay in flight after its values are dropped.

use std::error::Error;
use std::fmt;

use bytes::{Bytes, BytesMut};
use tokio_postgres::types::{Format, IsNull, ToSql, Type, to_sql_checked};

use super::PgError;

/// A parameter: the bytes of a value for one type.
#[derive(Clone)]
pub(super) struct Encoded {
    /// `None` is NULL.
    bytes: Option<Bytes>,
    text: bool,
}

impl Encoded {
    /// A value in its binary form.
    pub(super) fn of(bytes: Bytes) -> Self {
        Self { bytes: Some(bytes), text: false }
    }

    pub(super) fn new(
        value: &(dyn ToSql + Sync),
        type_: &Type,
        buffer: &mut BytesMut,
    ) -> Result<Self, Refused> {
        let bytes = match value.to_sql_checked(type_, buffer)? {
            IsNull::No => Some(buffer.split().freeze()),
            IsNull::Yes => None,
        };
        Ok(Self { bytes, text: matches!(value.encode_format(type_), Format::Text) })
    }
}

impl Encoded {
    /// A value in its text form.
    pub(super) fn text(text: &str) -> Self {
        Self { bytes: Some(Bytes::copy_from_slice(text.as_bytes())), text: true }
    }

    /// Its approximate size on the wire, in bytes.
    pub(super) fn size(&self) -> usize {
        self.bytes.as_ref().map_or(0, Bytes::len) + 4
    }
}

pub(super) type Refused = Box<dyn Error + Sync + Send>;

/// Shows the size instead of the value, because the driver logs its parameters.
impl fmt::Debug for Encoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.bytes {
            Some(bytes) => write!(f, "{} bytes", bytes.len()),
            None => f.write_str("NULL"),
        }
    }
}

impl ToSql for Encoded {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Refused> {
        Ok(self.bytes.as_ref().map_or(IsNull::Yes, |bytes| {
            out.extend_from_slice(bytes);
            IsNull::No
        }))
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        if self.text { Format::Text } else { Format::Binary }
    }

    to_sql_checked!();
}

/// Encodes the parameters of a prepared statement as the types that the server has returned for them.
pub(super) fn encode(
    values: &[&(dyn ToSql + Sync)],
    types: &[Type],
    statement: &str,
) -> Result<Vec<Encoded>, PgError> {
    if values.len() != types.len() {
        let (has, given) = (types.len(), values.len());
        return Err(PgError::misuse(format!(
            "the statement has {has} parameters, and {given} values are given"
        ))
        .in_statement(statement));
    }
    let mut buffer = BytesMut::new();
    let encoded = values.iter().zip(types).enumerate().map(|(at, (value, type_))| {
        Encoded::new(*value, type_, &mut buffer)
            .map_err(|error| PgError::misuse(format!("${}: {error}", at + 1)).in_statement(statement))
    });
    encoded.collect()
}

/// The types to try for a value of a statement that is not prepared, in order of preference.
const TYPES_TO_TRY: [Type; 34] = [
    Type::INT8,
    Type::INT4,
    Type::INT2,
    Type::TEXT,
    Type::BOOL,
    Type::FLOAT8,
    Type::FLOAT4,
    Type::TIMESTAMPTZ,
    Type::TIMESTAMP,
    Type::DATE,
    Type::TIME,
    Type::INTERVAL,
    Type::UUID,
    Type::JSONB,
    Type::BYTEA,
    Type::NUMERIC,
    Type::CHAR,
    Type::OID,
    Type::INET,
    Type::INT8_ARRAY,
    Type::INT4_ARRAY,
    Type::INT2_ARRAY,
    Type::TEXT_ARRAY,
    Type::BOOL_ARRAY,
    Type::FLOAT8_ARRAY,
    Type::FLOAT4_ARRAY,
    Type::TIMESTAMPTZ_ARRAY,
    Type::TIMESTAMP_ARRAY,
    Type::DATE_ARRAY,
    Type::TIME_ARRAY,
    Type::UUID_ARRAY,
    Type::JSONB_ARRAY,
    Type::BYTEA_ARRAY,
    Type::NUMERIC_ARRAY,
];

/// Encodes the parameters of a statement that is not prepared. The Rust types of the values determine the parameter
/// types.
pub(super) fn encode_unprepared(
    values: &[&(dyn ToSql + Sync)],
    statement: &str,
) -> Result<Vec<(Encoded, Type)>, PgError> {
    let mut buffer = BytesMut::new();
    let encoded = values.iter().enumerate().map(|(at, value)| {
        let mut last = None;
        for type_ in &TYPES_TO_TRY {
            buffer.clear();
            match Encoded::new(*value, type_, &mut buffer) {
                Ok(encoded) => return Ok((encoded, type_.clone())),
                Err(error) if error.is::<tokio_postgres::types::WrongType>() => {}
                Err(error) => last = Some(error),
            }
        }
        Err(PgError::misuse(match last {
            Some(error) => format!("${}: {error}", at + 1),
            None => format!(
                "${}: `statements=unnamed` needs a value of a built-in type: cast it in the statement, as in `${}::text`",
                at + 1,
                at + 1
            ),
        })
        .in_statement(statement))
    });
    encoded.collect()
}
