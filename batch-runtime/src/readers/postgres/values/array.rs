//! [`Array`]: the elements of an array, as nested sequences.

use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::bytes::Bytes;
use super::cell::{Cell, Column};
use super::{Broken, CUT, Form};
use crate::readers::rows::ItemError;

/// An array.
#[derive(Clone, Copy)]
pub(in crate::readers::postgres) struct Array<'a> {
    element: &'a Form,
    /// The length and the first index of each dimension, four bytes each; none in an empty array.
    dimensions: &'a [[u8; 8]],
    elements: Bytes<'a>,
}

impl<'a> Array<'a> {
    pub(super) fn read(element: &'a Form, mut bytes: Bytes<'a>) -> Result<Self, Broken> {
        let count = i32::from_be_bytes(bytes.array()?);
        let [_, _] = [bytes.array::<4>()?, bytes.array::<4>()?];
        let size = usize::try_from(count).map_err(|_| CUT)? * 8;
        let (dimensions, elements) = bytes.0.split_at_checked(size).ok_or(CUT)?;
        let (dimensions, _) = dimensions.as_chunks();
        if dimensions.iter().any(|dimension| dimension[4..] != 1_i32.to_be_bytes()) {
            return Err("its first index is not 1, which a sequence cannot express");
        }
        Ok(Self { element, dimensions, elements: Bytes(elements) })
    }

    pub(super) fn visit<V: Visitor<'a>>(
        mut self,
        column: &'a Column,
        visitor: V,
    ) -> Result<V::Value, ItemError> {
        let Self { element, dimensions, .. } = self;
        Level { column, element, dimensions, elements: &mut self.elements }.deserialize_any(visitor)
    }
}

/// The elements of an array, each after its length.
pub(super) fn elements<'a>(element: &'a Form, bytes: Bytes<'a>) -> Result<Bytes<'a>, Broken> {
    Array::read(element, bytes).map(|array| array.elements)
}

/// The remaining dimensions of an array, and its remaining elements.
struct Level<'a, 'b> {
    column: &'a Column,
    element: &'a Form,
    dimensions: &'a [[u8; 8]],
    elements: &'b mut Bytes<'a>,
}

impl<'de> Deserializer<'de> for Level<'de, '_> {
    type Error = ItemError;

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ItemError> {
        let Self { column, element, dimensions, elements } = self;
        let (length, inner) = match dimensions.split_first() {
            None => (0, dimensions),
            Some(([a, b, c, d, ..], inner)) => {
                (usize::try_from(u32::from_be_bytes([*a, *b, *c, *d])).unwrap_or_default(), inner)
            }
        };
        let mut elements = Elements { column, element, inner, bytes: elements, left: length };
        let visited = visitor.visit_seq(&mut elements)?;
        match elements.left {
            0 => Ok(visited),
            left => {
                let read = length - left;
                Err(Error::custom(format_args!("expected {read} elements of the array, found {length}")))
            }
        }
    }
}

struct Elements<'a, 'b> {
    column: &'a Column,
    element: &'a Form,
    /// The dimensions of an element.
    inner: &'a [[u8; 8]],
    bytes: &'b mut Bytes<'a>,
    left: usize,
}

impl<'a> SeqAccess<'a> for &mut Elements<'a, '_> {
    type Error = ItemError;

    fn next_element_seed<S: DeserializeSeed<'a>>(&mut self, seed: S) -> Result<Option<S::Value>, ItemError> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let Elements { column, element, inner, bytes, .. } = &mut **self;
        if inner.is_empty() {
            let raw = bytes.value().map_err(Error::custom)?;
            return seed.deserialize(Cell { column, form: element, raw }).map(Some);
        }
        seed.deserialize(Level { column, element, dimensions: inner, elements: bytes }).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        // No more than the bytes can hold, whatever the length says.
        Some(self.left.min(self.bytes.0.len() / 4))
    }
}
