//! The values of columns, from the bytes that the server sends.

mod array;
mod bytes;
mod calendar;
mod cell;
mod column_type;
mod json;
mod numeric;
mod short_text;

use std::net::{Ipv4Addr, Ipv6Addr};

pub(super) use cell::{Cell, Column};
pub(super) use column_type::Form;
pub(super) use json::{documents, has_documents, unfit};
pub(super) use short_text::Written;

use array::Array;
use bytes::Bytes;
use numeric::Numeric;

/// The value of a column.
#[derive(Clone, Copy)]
pub(super) enum Value<'a> {
    Bool(bool),
    Integer(i64),
    Single(f32),
    Double(f64),
    Numeric(Numeric<'a>),
    Text(&'a str),
    Binary(&'a [u8]),
    /// Written as text: a date, an address.
    Written(Written),
    Json(&'a str),
    Array(Array<'a>),
    /// A value of a type that the reader cannot read.
    Unread,
}

/// The reason why bytes are not a value: their form is not the one in the server's documentation, or the text is not
/// UTF-8.
pub(super) type Broken = &'static str;

/// The error of bytes that end too early or too late.
const CUT: Broken = "this version of the reader does not know the form of its bytes";

impl<'a> Value<'a> {
    /// Reads the bytes of a value that is not `NULL`.
    #[inline]
    pub(super) fn of(form: &'a Form, raw: &'a [u8]) -> Result<Self, Broken> {
        let mut bytes = Bytes(raw);
        let value = match form {
            Form::Bool => Self::Bool(bytes.array::<1>()? != [0]),
            Form::Int2 => Self::Integer(i16::from_be_bytes(bytes.array()?).into()),
            Form::Int4 => Self::Integer(i32::from_be_bytes(bytes.array()?).into()),
            Form::Int8 => Self::Integer(i64::from_be_bytes(bytes.array()?)),
            Form::Oid => Self::Integer(u32::from_be_bytes(bytes.array()?).into()),
            Form::Float4 => Self::Single(f32::from_be_bytes(bytes.array()?)),
            Form::Float8 => Self::Double(f64::from_be_bytes(bytes.array()?)),
            Form::Numeric => Self::Numeric(Numeric::read(&mut bytes)?),
            Form::Text => Self::Text(text(bytes.rest())?),
            Form::Char => match bytes.array()? {
                [0] => Self::Text(""),
                _ => Self::Text(text(raw)?),
            },
            Form::Bytea => Self::Binary(bytes.rest()),
            Form::Uuid => Self::Written(uuid(bytes.array()?)),
            Form::Json => Self::Json(text(bytes.rest())?),
            Form::Jsonb => match bytes.array()? {
                [1] => Self::Json(text(bytes.rest())?),
                _ => return Err(CUT),
            },
            Form::Date => Self::Written(calendar::date(i32::from_be_bytes(bytes.array()?))),
            Form::Time => Self::Written(calendar::time(i64::from_be_bytes(bytes.array()?))),
            Form::TimeTz => {
                let time = i64::from_be_bytes(bytes.array()?);
                Self::Written(calendar::time_with_zone(time, i32::from_be_bytes(bytes.array()?)))
            }
            Form::Timestamp => Self::Written(calendar::timestamp(i64::from_be_bytes(bytes.array()?), false)),
            Form::TimestampTz => Self::Written(calendar::timestamp(i64::from_be_bytes(bytes.array()?), true)),
            Form::Interval => {
                let microseconds = i64::from_be_bytes(bytes.array()?);
                let days = i32::from_be_bytes(bytes.array()?);
                Self::Written(calendar::interval(i32::from_be_bytes(bytes.array()?), days, microseconds))
            }
            Form::Inet => Self::Written(address(&mut bytes)?),
            Form::Array(element) => return Array::read(element, bytes).map(Self::Array),
            Form::Unread => return Ok(Self::Unread),
        };
        if bytes.0.is_empty() { Ok(value) } else { Err(CUT) }
    }
}

fn text(raw: &[u8]) -> Result<&str, Broken> {
    std::str::from_utf8(raw).map_err(|_| "its text is not UTF-8")
}

fn uuid(bytes: [u8; 16]) -> Written {
    let mut written = Written::default();
    for (at, byte) in bytes.into_iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            written.push(b'-');
        }
        written.push(b"0123456789abcdef"[usize::from(byte >> 4)]);
        written.push(b"0123456789abcdef"[usize::from(byte & 15)]);
    }
    written
}

/// An address of `inet` or `cidr`, with the bits of its network unless it is a single host.
fn address(bytes: &mut Bytes<'_>) -> Result<Written, Broken> {
    let [_, bits, is_network, length] = bytes.array()?;
    let mut written = Written::default();
    let host = match length {
        4 => {
            written.format(format_args!("{}", Ipv4Addr::from(bytes.array::<4>()?)));
            32
        }
        16 => {
            written.format(format_args!("{}", Ipv6Addr::from(bytes.array::<16>()?)));
            128
        }
        _ => return Err(CUT),
    };
    if bits != host || is_network == 1 {
        written.format(format_args!("/{bits}"));
    }
    Ok(written)
}
