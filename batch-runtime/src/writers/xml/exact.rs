//! Writes values so that they read back as the same, and refuses those for which that is impossible.
//!
//! `quick_xml` writes `None` as an empty element, which reads back as an empty string. It writes a list within a list
//! as one list. In an attribute, it writes a list element with a space in it as two elements. Its deserializer drops a
//! text of only white space between two tags.

use std::fmt::Display;

use serde::ser::{Error, Serialize, Serializer};

use super::nothing;
use super::parts::{Entries, Parts};
use crate::readers::bad_character;

/// The serde names of the text and of the content of an element.
const TEXT: &str = "$text";
pub(super) const CONTENT: &str = "$value";

const ONLY_WHITE_SPACE: &str = "readers of XML take a text of only white space for layout, and drop it; make it an element or an attribute of its own";

const NOT_MIXED: &str = "text among elements cannot be written; make it an element";

const ONE_WORD: &str =
    "a word of a list can neither be empty nor contain white space; write the list as elements";

pub(super) const NO_NONE: &str = "XML has no form for a `None` here; leave it out";

/// Where a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// As the item.
    Item,
    /// As an element, or as several for a list.
    Element,
    /// As an element that is one of a list, or a variant of an enum.
    OneElement,
    Attribute,
    /// As the text of an element.
    Text,
    /// As the content of an element: a text, or elements that name themselves.
    Content,
    /// As one of the content's values.
    OneOfContent,
    /// As a word among others, separated by spaces.
    Word,
}

impl Place {
    pub(super) fn of(name: &str) -> Self {
        match name {
            TEXT => Self::Text,
            CONTENT => Self::Content,
            _ if name.starts_with('@') => Self::Attribute,
            _ => Self::Element,
        }
    }

    /// Where the values of a list in this place are written.
    fn of_parts<E: Error>(self) -> Result<Self, E> {
        match self {
            Self::Item => {
                Err(E::custom("a list is not an item; write its values as items, or put it in a struct"))
            }
            Self::Element => Ok(Self::OneElement),
            Self::Content => Ok(Self::OneOfContent),
            Self::Attribute | Self::Text => Ok(Self::Word),
            Self::OneElement | Self::OneOfContent | Self::Word => Err(E::custom(
                "XML would not separate the lists of a list, or the fields of a variant; put the inner one in a struct",
            )),
        }
    }

    fn is_content(self) -> bool {
        matches!(self, Self::Content | Self::OneOfContent)
    }
}

fn is_white_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r')
}

/// Wraps a serializer.
pub(super) struct Exact<S> {
    inner: S,
    place: Place,
    /// True within `Some`.
    is_some: bool,
}

impl<S> Exact<S> {
    pub(super) fn item(inner: S) -> Self {
        Self { inner, place: Place::Item, is_some: false }
    }
}

/// A part of a compound value.
pub(super) struct Part<'v, T: ?Sized> {
    pub(super) value: &'v T,
    pub(super) place: Place,
    /// True within `Some`.
    pub(super) is_some: bool,
}

impl<'v, T: ?Sized> Part<'v, T> {
    pub(super) fn new(value: &'v T, place: Place) -> Self {
        Self { value, place, is_some: false }
    }
}

impl<T: Serialize + ?Sized> Serialize for Part<'_, T> {
    #[inline]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(Exact { inner: serializer, place: self.place, is_some: self.is_some })
    }
}

impl<S: Serializer> Exact<S> {
    fn check(&self, text: &str) -> Result<(), S::Error> {
        let problem = match self.place {
            // A `$text` that is absent reads back as an empty one by serde's default.
            Place::Text if text.is_empty() && !self.is_some => None,
            Place::OneOfContent => Some(NOT_MIXED.to_owned()),
            Place::Text | Place::Content if text.chars().all(is_white_space) => {
                Some(ONLY_WHITE_SPACE.to_owned())
            }
            Place::Word if text.is_empty() || text.contains(is_white_space) => Some(ONE_WORD.to_owned()),
            _ => bad_character(text),
        };
        problem.map_or(Ok(()), |problem| Err(S::Error::custom(problem)))
    }

    /// The parts of a list.
    fn parts<P>(self, begin: impl FnOnce(S) -> Result<P, S::Error>) -> Result<Parts<P>, S::Error> {
        let place = self.place.of_parts()?;
        let needs_one = self.is_some && self.place != Place::Attribute;
        Ok(Parts::of_list(begin(self.inner)?, place, needs_one))
    }

    fn check_variant(&self, variant: &str) -> Result<(), S::Error> {
        if self.place == Place::Item {
            return Err(S::Error::custom(
                "an enum is not an item, as its variant would name the element; put it in the field `$value` of a struct",
            ));
        }
        if self.place.is_content() {
            return match variant {
                TEXT => Err(S::Error::custom("XML has no form for a text that is a unit")),
                _ => Ok(()),
            };
        }
        self.check(variant)
    }
}

macro_rules! as_it_is {
    ($($method:ident($($argument:ident: $type:ty),*);)*) => {$(
        #[inline]
        fn $method(self, $($argument: $type),*) -> Result<S::Ok, S::Error> {
            self.inner.$method($($argument),*)
        }
    )*};
}

/// XML Schema's name of an infinite number.
fn infinite(is_negative: bool) -> &'static str {
    if is_negative { "-INF" } else { "INF" }
}

impl<S: Serializer> Serializer for Exact<S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Parts<S::SerializeSeq>;
    type SerializeTuple = Parts<S::SerializeTuple>;
    type SerializeTupleStruct = Parts<S::SerializeTupleStruct>;
    type SerializeTupleVariant = Parts<S::SerializeTupleVariant>;
    type SerializeMap = Entries<S::SerializeMap>;
    type SerializeStruct = Parts<S::SerializeStruct>;
    type SerializeStructVariant = Parts<S::SerializeStructVariant>;

    as_it_is! {
        serialize_bool(value: bool);
        serialize_i8(value: i8);
        serialize_i16(value: i16);
        serialize_i32(value: i32);
        serialize_i64(value: i64);
        serialize_i128(value: i128);
        serialize_u8(value: u8);
        serialize_u16(value: u16);
        serialize_u32(value: u32);
        serialize_u64(value: u64);
        serialize_u128(value: u128);
        serialize_bytes(value: &[u8]);
    }

    #[inline]
    fn serialize_f32(self, value: f32) -> Result<S::Ok, S::Error> {
        if value.is_infinite() {
            return self.inner.serialize_str(infinite(value < 0.0));
        }
        self.inner.serialize_f32(value)
    }

    #[inline]
    fn serialize_f64(self, value: f64) -> Result<S::Ok, S::Error> {
        if value.is_infinite() {
            return self.inner.serialize_str(infinite(value < 0.0));
        }
        self.inner.serialize_f64(value)
    }

    #[inline]
    fn serialize_char(self, value: char) -> Result<S::Ok, S::Error> {
        self.check(value.encode_utf8(&mut [0; 4]))?;
        self.inner.serialize_char(value)
    }

    #[inline]
    fn serialize_str(self, value: &str) -> Result<S::Ok, S::Error> {
        self.check(value)?;
        self.inner.serialize_str(value)
    }

    #[inline]
    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.serialize_str(&value.to_string())
    }

    /// A field that is `None` is left out before this is called; any other `None` is refused.
    #[inline]
    fn serialize_none(self) -> Result<S::Ok, S::Error> {
        Err(S::Error::custom(NO_NONE))
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.serialize_some(&Part { value, place: self.place, is_some: true })
    }

    #[inline]
    fn serialize_unit(self) -> Result<S::Ok, S::Error> {
        if !matches!(self.place, Place::Item | Place::Element | Place::OneElement) {
            return Err(S::Error::custom("XML has no form for a unit here"));
        }
        self.inner.serialize_unit()
    }

    #[inline]
    fn serialize_unit_struct(self, _: &'static str) -> Result<S::Ok, S::Error> {
        self.serialize_unit()
    }

    #[inline]
    fn serialize_unit_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
    ) -> Result<S::Ok, S::Error> {
        self.check_variant(variant)?;
        self.inner.serialize_unit_variant(name, index, variant)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let part = Part { value, place: self.place, is_some: self.is_some };
        self.inner.serialize_newtype_struct(name, &part)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let mut part = Part::new(value, Place::OneElement);
        if variant == TEXT {
            if self.place == Place::OneOfContent {
                return Err(S::Error::custom(NOT_MIXED));
            }
            (part.place, part.is_some) = (Place::Text, true);
        } else {
            self.check_variant(variant)?;
        }
        if nothing::is_none(value) {
            return Err(S::Error::custom(NO_NONE));
        }
        self.inner.serialize_newtype_variant(name, index, variant, &part)
    }

    #[inline]
    fn serialize_seq(self, length: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        self.parts(|inner| inner.serialize_seq(length))
    }

    #[inline]
    fn serialize_tuple(self, length: usize) -> Result<Self::SerializeTuple, S::Error> {
        self.parts(|inner| inner.serialize_tuple(length))
    }

    #[inline]
    fn serialize_tuple_struct(
        self,
        name: &'static str,
        length: usize,
    ) -> Result<Self::SerializeTupleStruct, S::Error> {
        self.parts(|inner| inner.serialize_tuple_struct(name, length))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, S::Error> {
        Err(S::Error::custom("XML would not separate the fields of a variant; give them names"))
    }

    #[inline]
    fn serialize_map(self, length: Option<usize>) -> Result<Self::SerializeMap, S::Error> {
        // A struct with flattened fields does not say how many there are.
        let is_struct = length.is_none();
        Ok(Entries::new(self.inner.serialize_map(length)?, is_struct))
    }

    #[inline]
    fn serialize_struct(self, name: &'static str, length: usize) -> Result<Self::SerializeStruct, S::Error> {
        self.inner.serialize_struct(name, length).map(Parts::fields)
    }

    #[inline]
    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Self::SerializeStructVariant, S::Error> {
        self.check_variant(variant)?;
        self.inner.serialize_struct_variant(name, index, variant, length).map(Parts::fields)
    }

    #[inline]
    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}
