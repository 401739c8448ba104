//! Writes an item as one line of columns, and determines its field names for the header.

use serde::ser::{
    Impossible, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeTuple, SerializeTupleStruct,
    Serializer,
};

use super::field::{Field, Format, ItemError, text_of};
use super::none::is_none;
use crate::writers::serialize::record_of_one_value;

/// The columns of a file, as determined by the first item.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(in crate::writers) struct Columns {
    pub(in crate::writers) count: usize,
    /// Empty if the item has no field names.
    pub(in crate::writers) names: Vec<String>,
}

/// Appends `item` as a line.
#[inline]
pub(in crate::writers) fn append<T: Serialize>(
    item: &T,
    format: &Format,
    columns: &Columns,
    out: &mut Vec<u8>,
) -> Result<(), ItemError> {
    let begin = out.len();
    let names = &*columns.names;
    let count = item.serialize(Record::new(format, out, names, None))?;
    if count != columns.count {
        return Err(ItemError::new(format!(
            "it has {count} fields, but the first item has {}",
            columns.count
        )));
    }
    if out.len() == begin {
        append_empty(item, format, columns, out)?;
    }
    out.extend_from_slice(format.line_end.as_bytes());
    Ok(())
}

/// Appends a record of one field that is empty.
#[cold]
fn append_empty<T: Serialize>(
    item: &T,
    format: &Format,
    columns: &Columns,
    out: &mut Vec<u8>,
) -> Result<(), ItemError> {
    // Only `None` changes with the marker.
    let marked = format.with_null("NA");
    let mut text = Vec::new();
    item.serialize(Record::new(&marked, &mut text, &columns.names, None))?;
    if !text.is_empty() {
        return Err(ItemError::new(
            "`None` in a record of one field would be a blank line; set a marker for it with `null`",
        ));
    }
    // A blank line is not a record, so an empty string is written as a quoted field.
    out.extend([format.quote; 2]);
    Ok(())
}

/// Returns the columns of `item`.
pub(in crate::writers) fn columns<T: Serialize>(item: &T, format: &Format) -> Result<Columns, ItemError> {
    let mut learnt = Vec::new();
    let mut out = Vec::new();
    let count = item.serialize(Record::new(format, &mut out, &[], Some(&mut learnt)))?;
    if count == 0 {
        return Err(ItemError::new("it has no fields"));
    }
    for (place, name) in learnt.iter().enumerate() {
        if learnt[..place].contains(name) {
            return Err(ItemError::new(format!("two of its fields are named `{name}`")));
        }
    }
    Ok(Columns { count, names: learnt })
}

/// Appends the fields of one item.
struct Record<'a> {
    format: &'a Format,
    out: &'a mut Vec<u8>,
    /// The number of fields appended so far.
    count: usize,
    /// The names that a map must have, in this order.
    names: &'a [String],
    /// Collects the item's field names.
    learn: Option<&'a mut Vec<String>>,
    /// True if there is nothing to collect, and no marker for `None`.
    is_plain: bool,
}

impl<'a> Record<'a> {
    fn new(
        format: &'a Format,
        out: &'a mut Vec<u8>,
        names: &'a [String],
        learn: Option<&'a mut Vec<String>>,
    ) -> Self {
        let is_plain = learn.is_none() && format.null.is_empty();
        Self { format, out, count: 0, names, learn, is_plain }
    }

    #[inline]
    fn append<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ItemError> {
        if self.count > 0 {
            self.out.push(self.format.delimiter);
        }
        self.count += 1;
        if self.is_plain {
            value.serialize(Field { format: self.format, out: self.out })
        } else {
            self.append_beside_marker(value)
        }
    }

    /// Appends a value, quoted if it would be mistaken for the marker of `None`.
    #[inline(never)]
    fn append_beside_marker<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ItemError> {
        let begin = self.out.len();
        value.serialize(Field { format: self.format, out: self.out })?;
        let null = self.format.null.as_bytes();
        if !null.is_empty() && self.out[begin..] == *null && !is_none(value)? {
            self.format.quote_from(begin, self.out);
        }
        Ok(())
    }

    #[inline]
    fn learn(&mut self, name: &str) {
        if !self.is_plain {
            self.push_name(name);
        }
    }

    /// Only the first item's names are learnt, so this stays out of the code that is compiled for each field.
    #[cold]
    fn push_name(&mut self, name: &str) {
        if let Some(names) = &mut self.learn {
            names.push(name.to_owned());
        }
    }

    fn only<T: Serialize + ?Sized>(mut self, value: &T) -> Result<usize, ItemError> {
        self.append(value)?;
        Ok(self.count)
    }
}

impl SerializeStruct for Record<'_> {
    type Ok = usize;
    type Error = ItemError;

    #[inline]
    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), ItemError> {
        self.learn(name);
        self.append(value).map_err(|error| error.in_field(name))
    }

    fn skip_field(&mut self, name: &'static str) -> Result<(), ItemError> {
        // Omitted by `skip_serializing_if`: the column still exists.
        SerializeStruct::serialize_field(self, name, &None::<()>)
    }

    #[inline]
    fn end(self) -> Result<usize, ItemError> {
        Ok(self.count)
    }
}

impl SerializeMap for Record<'_> {
    type Ok = usize;
    type Error = ItemError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), ItemError> {
        let mut name = Vec::new();
        // The text is written without quotes, because the header is quoted later.
        let bare = Format::bare();
        key.serialize(Field { format: &bare, out: &mut name })?;
        let name = String::from_utf8_lossy(&name);
        if let Some(expected) = self.names.get(self.count)
            && **expected != *name
        {
            let problem = format!("found `{name}` where the first item has `{expected}`");
            return Err(ItemError::new(problem));
        }
        self.learn(&name);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ItemError> {
        let at = self.count;
        self.append(value).map_err(|error| match self.names.get(at) {
            Some(name) => error.in_field(name),
            None => error,
        })
    }

    fn end(self) -> Result<usize, ItemError> {
        Ok(self.count)
    }
}

macro_rules! sequences {
    ($($trait:ident $method:ident;)*) => {$(
        impl $trait for Record<'_> {
            type Ok = usize;
            type Error = ItemError;

            #[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ItemError> {
                self.append(value)
            }

            #[inline]
            fn end(self) -> Result<usize, ItemError> {
                Ok(self.count)
            }
        }
    )*};
}

sequences! {
    SerializeSeq serialize_element;
    SerializeTuple serialize_element;
    SerializeTupleStruct serialize_field;
}

/// A record is a struct, a tuple, a sequence or a map; any other value is a record with one field.
impl<'a> Serializer for Record<'a> {
    type Ok = usize;
    type Error = ItemError;
    type SerializeSeq = Record<'a>;
    type SerializeTuple = Record<'a>;
    type SerializeTupleStruct = Record<'a>;
    type SerializeTupleVariant = Impossible<usize, ItemError>;
    type SerializeMap = Record<'a>;
    type SerializeStruct = Record<'a>;
    type SerializeStructVariant = Impossible<usize, ItemError>;

    record_of_one_value! {
        only -> Result<usize, ItemError>;
        serialize_bool(bool) serialize_i8(i8) serialize_i16(i16) serialize_i32(i32) serialize_i64(i64)
        serialize_i128(i128) serialize_u8(u8) serialize_u16(u16) serialize_u32(u32) serialize_u64(u64)
        serialize_u128(u128) serialize_f32(f32) serialize_f64(f64) serialize_char(char) serialize_str(&str)
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<usize, ItemError> {
        self.only(text_of(value)?)
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<usize, ItemError> {
        value.serialize(self)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self, ItemError> {
        Ok(self)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self, ItemError> {
        Ok(self)
    }

    fn serialize_tuple_struct(self, _name: &'static str, _: usize) -> Result<Self, ItemError> {
        Ok(self)
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, ItemError> {
        Err(variant_is_not_a_record(variant))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self, ItemError> {
        Ok(self)
    }

    #[inline]
    fn serialize_struct(self, _name: &'static str, _: usize) -> Result<Self, ItemError> {
        Ok(self)
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, ItemError> {
        Err(variant_is_not_a_record(variant))
    }
}

fn variant_is_not_a_record(variant: &str) -> ItemError {
    ItemError::new(format!(
        "an enum variant with fields, such as `{variant}`, cannot be a record; use a struct"
    ))
}
