//! Wraps a deserializer so that it refuses three things: a text of which a date or a time would keep only a part, two
//! values for one key of a map, and, in a format where each number is a text, a number beyond the range of a float.

mod visitors;

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use super::civil;
#[cfg(feature = "xml")]
use super::floats::{self, NotAFloat};
use crate::keys::Keys;

pub(super) use visitors::took_a_civil_text;

/// An item of a JSON text, deserialized through the wrapper.
pub(super) struct ExactJson<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for ExactJson<T> {
    #[inline]
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        T::deserialize(of_json(from)).map(Self)
    }
}

/// Wraps a deserializer of JSON.
#[inline]
pub(super) fn of_json<D>(from: D) -> Exact<D> {
    Exact(from, Plain(PhantomData))
}

/// Deserializes a value of a format in which each number is a text.
#[cfg(feature = "xml")]
pub(super) fn from_texts<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    T::deserialize(Exact(from, Plain::<Texts>(PhantomData)))
}

/// A format.
pub(super) trait Format {
    /// True if each number is a text.
    #[cfg_attr(not(feature = "xml"), allow(dead_code, reason = "JSON is the only format"))]
    const HAS_TEXTS_ALONE: bool;
}

/// JSON, whose deserializer parses numbers.
#[derive(Debug)]
pub(super) struct Json;

impl Format for Json {
    const HAS_TEXTS_ALONE: bool = false;
}

/// A format whose deserializer would read `1e-999` as zero and `1e400` as infinite.
#[cfg(feature = "xml")]
struct Texts;

#[cfg(feature = "xml")]
impl Format for Texts {
    const HAS_TEXTS_ALONE: bool = true;
}

/// The place of a value, which decides what is checked besides its text.
pub(super) trait Place: Sized {
    type Format: Format;
    /// The place of this value if its visitor may get a map with any keys.
    type Open: Place<Format = Self::Format>;
    /// The place, for any other visitor.
    type Closed: Place<Format = Self::Format>;

    fn open(self) -> Self::Open;

    fn closed(self) -> Self::Closed;

    /// Checks a part of a key.
    fn take<E: Error>(self, _: impl Part) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<'de, V: Visitor<'de>, A: MapAccess<'de>>(
        visitor: V,
        entries: A,
    ) -> Result<V::Value, A::Error> {
        visitor.visit_map(Exact(entries, Plain::<Self::Format>(PhantomData)))
    }
}

/// A scalar that may be a key of a map.
pub(super) trait Part: fmt::Display {
    fn with_bytes<R>(&self, take: impl FnOnce(&[u8]) -> R) -> R;
}

/// Any value that is not a key.
#[derive(Debug)]
pub(super) struct Plain<F>(PhantomData<F>);

impl<F: Format> Place for Plain<F> {
    type Format = F;
    type Open = Open<F>;
    type Closed = Self;

    #[inline]
    fn open(self) -> Open<F> {
        Open(PhantomData)
    }

    #[inline]
    fn closed(self) -> Self {
        self
    }
}

/// A value that may be a map with any keys. If the map keeps one value for each key, a key may occur only once. A struct
/// needs no such check, unless it has a flattened field, which may be such a map: its own visitor refuses two values for
/// a field, and ignores other keys.
#[derive(Debug)]
pub(super) struct Open<F>(PhantomData<F>);

impl<F: Format> Place for Open<F> {
    type Format = F;
    type Open = Self;
    type Closed = Plain<F>;

    #[inline]
    fn open(self) -> Self {
        self
    }

    #[inline]
    fn closed(self) -> Plain<F> {
        Plain(PhantomData)
    }

    #[inline]
    fn visit_map<'de, V: Visitor<'de>, A: MapAccess<'de>>(
        visitor: V,
        entries: A,
    ) -> Result<V::Value, A::Error> {
        // Elements within an element that serde buffers are repeated in most documents, and few items take them.
        let is_buffered = !F::HAS_TEXTS_ALONE && visitors::is_buffer::<V>();
        if is_buffered || visitors::keeps_one_value::<V>() {
            visitor.visit_map(Entries { inner: entries, keys: Keys::default(), format: PhantomData::<F> })
        } else {
            visitor.visit_map(Exact(entries, Plain::<F>(PhantomData)))
        }
    }
}

/// A key, with the keys before it in the same map.
struct Key<'k, F> {
    keys: &'k mut Keys,
    format: PhantomData<F>,
}

impl<F: Format> Place for Key<'_, F> {
    type Format = F;
    type Open = Self;
    type Closed = Self;

    #[inline]
    fn open(self) -> Self {
        self
    }

    #[inline]
    fn closed(self) -> Self {
        self
    }

    #[inline]
    fn take<E: Error>(self, key: impl Part) -> Result<(), E> {
        if key.with_bytes(|bytes| self.keys.add(bytes)) { Ok(()) } else { Err(twice(&key)) }
    }
}

#[cold]
fn twice<E: Error>(key: &impl Part) -> E {
    let key = key.to_string();
    E::custom(format_args!("duplicate field `{}`, of which the item would keep only one", super::shown(&key)))
}

/// The entries of a map that may have any keys.
struct Entries<A, F> {
    inner: A,
    keys: Keys,
    format: PhantomData<F>,
}

impl<'de, A: MapAccess<'de>, F: Format> MapAccess<'de> for Entries<A, F> {
    type Error = A::Error;

    #[inline]
    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        let key = Key { keys: &mut self.keys, format: self.format };
        self.inner.next_key_seed(Exact(seed, key))
    }

    #[inline]
    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.inner.next_value_seed(Exact(seed, Plain::<F>(PhantomData)))
    }
}

/// A wrapped deserializer, a visitor, or one of the helpers that they pass to each other, with the place of its value.
#[derive(Debug)]
pub(super) struct Exact<I, P = Plain<Json>>(I, P);

/// Checks a text that a visitor takes.
#[inline]
fn check<'de, V: Visitor<'de>, P: Place, E: Error>(place: P, text: &str) -> Result<(), E> {
    civil::refuse_loss::<V, E>(text.as_bytes())?;
    visitors::note::<V>(text);
    place.take(text)
}

macro_rules! forward {
    ($place:ident: $($method:ident($($argument:ident: $type:ty),*))*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, D::Error> {
            self.0.$method($($argument,)* Exact(visitor, self.1.$place()))
        }
    )*};
}

macro_rules! floats {
    ($($method:ident $visit:ident $parse:ident;)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            #[cfg(feature = "xml")]
            if P::Format::HAS_TEXTS_ALONE {
                struct Float<V>(V);

                impl<'de, V: Visitor<'de>> Visitor<'de> for Float<V> {
                    type Value = V::Value;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        self.0.expecting(f)
                    }

                    fn visit_str<E: Error>(self, text: &str) -> Result<V::Value, E> {
                        match floats::$parse(text.trim_ascii()) {
                            Ok(number) => self.0.$visit(number),
                            Err(NotAFloat::NotANumber) => self.0.visit_str(text),
                            Err(NotAFloat::OutOfRange) => {
                                Err(E::custom(format_args!("number out of range: `{}`", super::shown(text))))
                            }
                        }
                    }
                }

                return self.0.deserialize_str(Float(visitor));
            }
            self.0.$method(Exact(visitor, self.1.closed()))
        }
    )*};
}

impl<'de, D: Deserializer<'de>, P: Place> Deserializer<'de> for Exact<D, P> {
    type Error = D::Error;

    floats! {
        deserialize_f32 visit_f32 single;
        deserialize_f64 visit_f64 double;
    }

    forward! { open: deserialize_any() deserialize_map() }

    forward! { closed:
        deserialize_bool() deserialize_i8() deserialize_i16() deserialize_i32()
        deserialize_i64() deserialize_i128() deserialize_u8() deserialize_u16() deserialize_u32()
        deserialize_u64() deserialize_u128() deserialize_char() deserialize_str() deserialize_string()
        deserialize_bytes() deserialize_byte_buf() deserialize_option() deserialize_unit()
        deserialize_unit_struct(name: &'static str) deserialize_newtype_struct(name: &'static str)
        deserialize_seq() deserialize_tuple(length: usize)
        deserialize_tuple_struct(name: &'static str, length: usize)
        deserialize_struct(name: &'static str, fields: &'static [&'static str])
        deserialize_enum(name: &'static str, variants: &'static [&'static str])
        deserialize_identifier() deserialize_ignored_any()
    }

    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }
}

macro_rules! numbers {
    ($($type:ty)*) => {
        $(impl Part for $type {
            #[inline]
            fn with_bytes<R>(&self, take: impl FnOnce(&[u8]) -> R) -> R {
                take(&self.to_le_bytes())
            }
        })*
    };
}

numbers! { i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 }

impl Part for bool {
    fn with_bytes<R>(&self, take: impl FnOnce(&[u8]) -> R) -> R {
        take(&[u8::from(*self)])
    }
}

impl Part for char {
    fn with_bytes<R>(&self, take: impl FnOnce(&[u8]) -> R) -> R {
        take(&u32::from(*self).to_le_bytes())
    }
}

impl Part for &str {
    #[inline]
    fn with_bytes<R>(&self, take: impl FnOnce(&[u8]) -> R) -> R {
        take(self.as_bytes())
    }
}

macro_rules! visit_values {
    ($($method:ident($type:ty);)*) => {$(
        #[inline]
        fn $method<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.1.take(value)?;
            self.0.$method(value)
        }
    )*};
}

macro_rules! visit_texts {
    ($($method:ident($type:ty);)*) => {$(
        #[inline]
        fn $method<E: Error>(self, text: $type) -> Result<V::Value, E> {
            check::<V, P, E>(self.1, &text)?;
            self.0.$method(text)
        }
    )*};
}

macro_rules! visit_bytes {
    ($($method:ident($type:ty);)*) => {$(
        fn $method<E: Error>(self, bytes: $type) -> Result<V::Value, E> {
            self.0.$method(bytes)
        }
    )*};
}

impl<'de, V: Visitor<'de>, P: Place> Visitor<'de> for Exact<V, P> {
    type Value = V::Value;

    visit_values! {
        visit_bool(bool);
        visit_i8(i8);
        visit_i16(i16);
        visit_i32(i32);
        visit_i64(i64);
        visit_i128(i128);
        visit_u8(u8);
        visit_u16(u16);
        visit_u32(u32);
        visit_u64(u64);
        visit_u128(u128);
        visit_f32(f32);
        visit_f64(f64);
        visit_char(char);
    }

    visit_texts! {
        visit_str(&str);
        visit_borrowed_str(&'de str);
        visit_string(String);
    }

    visit_bytes! {
        visit_bytes(&[u8]);
        visit_borrowed_bytes(&'de [u8]);
        visit_byte_buf(Vec<u8>);
    }

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    #[inline]
    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.0.visit_none()
    }

    #[inline]
    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.0.visit_unit()
    }

    #[inline]
    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<V::Value, D::Error> {
        self.0.visit_some(Exact(from, self.1.closed()))
    }

    #[inline]
    fn visit_newtype_struct<D: Deserializer<'de>>(self, from: D) -> Result<V::Value, D::Error> {
        self.0.visit_newtype_struct(Exact(from, self.1.closed()))
    }

    #[inline]
    fn visit_seq<A: SeqAccess<'de>>(self, values: A) -> Result<V::Value, A::Error> {
        self.0.visit_seq(Exact(values, Plain::<P::Format>(PhantomData)))
    }

    #[inline]
    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<V::Value, A::Error> {
        P::visit_map(self.0, entries)
    }

    #[inline]
    fn visit_enum<A: EnumAccess<'de>>(self, variant: A) -> Result<V::Value, A::Error> {
        self.0.visit_enum(Exact(variant, self.1.closed()))
    }
}

impl<'de, S: DeserializeSeed<'de>, P: Place> DeserializeSeed<'de> for Exact<S, P> {
    type Value = S::Value;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<S::Value, D::Error> {
        self.0.deserialize(Exact(from, self.1))
    }
}

impl<'de, A: SeqAccess<'de>, F: Format> SeqAccess<'de> for Exact<A, Plain<F>> {
    type Error = A::Error;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.0.next_element_seed(Exact(seed, Plain::<F>(PhantomData)))
    }
}

impl<'de, A: MapAccess<'de>, F: Format> MapAccess<'de> for Exact<A, Plain<F>> {
    type Error = A::Error;

    #[inline]
    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.0.next_key_seed(Exact(seed, Plain::<F>(PhantomData)))
    }

    #[inline]
    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.0.next_value_seed(Exact(seed, Plain::<F>(PhantomData)))
    }
}

impl<'de, A: EnumAccess<'de>, P: Place> EnumAccess<'de> for Exact<A, P> {
    type Error = A::Error;
    type Variant = Exact<A::Variant, Plain<P::Format>>;

    #[inline]
    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self::Variant), A::Error> {
        let (value, variant) = self.0.variant_seed(Exact(seed, self.1))?;
        Ok((value, Exact(variant, Plain(PhantomData))))
    }
}

impl<'de, A: VariantAccess<'de>, F: Format> VariantAccess<'de> for Exact<A, Plain<F>> {
    type Error = A::Error;

    #[inline]
    fn unit_variant(self) -> Result<(), A::Error> {
        self.0.unit_variant()
    }

    #[inline]
    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        self.0.newtype_variant_seed(Exact(seed, self.1))
    }

    #[inline]
    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, A::Error> {
        self.0.tuple_variant(length, Exact(visitor, self.1))
    }

    #[inline]
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.0.struct_variant(fields, Exact(visitor, self.1))
    }
}
