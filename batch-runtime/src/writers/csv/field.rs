//! Receives: one value of an item. Gives: it as a field of a CSV record, quoted where it must be.

use std::fmt::{self, Display};

use serde::ser::{self, Impossible, Serialize, Serializer};

use super::number;

/// How fields and records are written.
#[derive(Debug, Clone)]
pub(super) struct Format {
    pub(super) delimiter: u8,
    pub(super) quote: u8,
    pub(super) null: String,
    pub(super) line_end: &'static str,
    /// Bytes that make a field be quoted.
    special: [bool; 256],
}

impl Format {
    pub(super) fn new() -> Self {
        let mut format =
            Self { delimiter: b',', quote: b'"', null: String::new(), line_end: "\n", special: [false; 256] };
        format.mark();
        format
    }

    /// Nothing is quoted.
    pub(super) fn bare() -> Self {
        Self { special: [false; 256], ..Self::new() }
    }

    /// To be called when delimiter or quote changed.
    pub(super) fn mark(&mut self) {
        self.special = [false; 256];
        for byte in [self.delimiter, self.quote, b'\n', b'\r'] {
            self.special[usize::from(byte)] = true;
        }
    }

    /// Appends a text.
    #[inline]
    pub(super) fn text(&self, text: &str, out: &mut Vec<u8>) {
        let bytes = text.as_bytes();
        if bytes.iter().any(|byte| self.special[usize::from(*byte)]) {
            self.quoted(bytes, out);
        } else {
            out.extend_from_slice(bytes);
        }
    }

    #[cold]
    fn quoted(&self, bytes: &[u8], out: &mut Vec<u8>) {
        out.push(self.quote);
        for byte in bytes {
            if *byte == self.quote {
                out.push(self.quote);
            }
            out.push(*byte);
        }
        out.push(self.quote);
    }
}

/// Why an item is no record. One pointer wide, as it travels with every value.
#[derive(Debug)]
pub(super) struct ItemError(pub(super) Box<Problem>);

#[derive(Debug)]
pub(super) struct Problem {
    pub(super) field: Option<String>,
    pub(super) text: String,
}

impl ItemError {
    #[cold]
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(Box::new(Problem { field: None, text: text.into() }))
    }

    #[cold]
    pub(super) fn in_field(mut self, name: &str) -> Self {
        self.0.field.get_or_insert_with(|| name.to_owned());
        self
    }

    #[cold]
    fn nested(what: &str) -> Self {
        Self::new(format!(
            "a field of a CSV record is one value, not {what}; flatten it with `#[serde(flatten)]`, or write it as a text with `#[serde(serialize_with = \"..\")]`"
        ))
    }
}

impl Display for ItemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

impl std::error::Error for ItemError {}

impl ser::Error for ItemError {
    fn custom<T: Display>(message: T) -> Self {
        Self::new(message.to_string())
    }
}

/// Appends one value.
pub(super) struct Field<'a> {
    pub(super) format: &'a Format,
    pub(super) out: &'a mut Vec<u8>,
}

macro_rules! integers {
    ($($method:ident $type:ty;)*) => {$(
        #[inline]
        fn $method(self, value: $type) -> Result<(), ItemError> {
            // Neither digits nor a sign can be the delimiter.
            self.out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
            Ok(())
        }
    )*};
}

impl Serializer for Field<'_> {
    type Ok = ();
    type Error = ItemError;
    type SerializeSeq = Impossible<(), ItemError>;
    type SerializeTuple = Impossible<(), ItemError>;
    type SerializeTupleStruct = Impossible<(), ItemError>;
    type SerializeTupleVariant = Impossible<(), ItemError>;
    type SerializeMap = Impossible<(), ItemError>;
    type SerializeStruct = Impossible<(), ItemError>;
    type SerializeStructVariant = Impossible<(), ItemError>;

    integers! {
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
    }

    #[inline]
    fn serialize_f32(self, value: f32) -> Result<(), ItemError> {
        self.out.extend_from_slice(zmij::Buffer::new().format(value).as_bytes());
        Ok(())
    }

    #[inline]
    fn serialize_f64(self, value: f64) -> Result<(), ItemError> {
        number::append_f64(value, self.out);
        Ok(())
    }

    #[inline]
    fn serialize_bool(self, value: bool) -> Result<(), ItemError> {
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), ItemError> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    #[inline]
    fn serialize_str(self, value: &str) -> Result<(), ItemError> {
        self.format.text(value, self.out);
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), ItemError> {
        let text = std::str::from_utf8(value).map_err(|_| ItemError::new("bytes that are not UTF-8"))?;
        self.serialize_str(text)
    }

    #[inline]
    fn serialize_none(self) -> Result<(), ItemError> {
        self.out.extend_from_slice(self.format.null.as_bytes());
        Ok(())
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), ItemError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), ItemError> {
        self.serialize_none()
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), ItemError> {
        self.serialize_none()
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<(), ItemError> {
        self.serialize_str(variant)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<(), ItemError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _value: &T,
    ) -> Result<(), ItemError> {
        Err(ItemError::nested("an enum variant with a value"))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, ItemError> {
        Err(ItemError::nested("a sequence"))
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, ItemError> {
        Err(ItemError::nested("a tuple"))
    }

    fn serialize_tuple_struct(
        self,
        _name: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleStruct, ItemError> {
        Err(ItemError::nested("a tuple"))
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, ItemError> {
        Err(ItemError::nested("an enum variant with values"))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, ItemError> {
        Err(ItemError::nested("a map"))
    }

    fn serialize_struct(self, _name: &'static str, _: usize) -> Result<Self::SerializeStruct, ItemError> {
        Err(ItemError::nested("a struct"))
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, ItemError> {
        Err(ItemError::nested("an enum variant with values"))
    }
}
