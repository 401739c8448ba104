//! The values within a list, a struct or a map.

use serde::ser::{
    Error, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant,
};

use super::exact::{CONTENT, NO_NONE, Part, Place};
use super::nothing;
use crate::exact_json::{in_field, written_twice};
use crate::keys::Keys;

/// Wraps the serializer of a compound value.
pub(super) struct Parts<P> {
    inner: P,
    /// The place of its parts, unless they have names.
    place: Place,
    /// True if an empty list would write nothing, which reads back as another value.
    needs_one: bool,
    count: usize,
}

impl<P> Parts<P> {
    pub(super) fn of_list(inner: P, place: Place, needs_one: bool) -> Self {
        Self { inner, place, needs_one, count: 0 }
    }

    pub(super) fn fields(inner: P) -> Self {
        Self { inner, place: Place::Element, needs_one: false, count: 0 }
    }

    fn check_end<E: Error>(&self) -> Result<(), E> {
        if self.needs_one && self.count == 0 {
            return Err(E::custom("an empty list would read back as `None`; write `None`"));
        }
        Ok(())
    }
}

macro_rules! lists {
    ($($trait:ident $method:ident;)*) => {$(
        impl<P: $trait> $trait for Parts<P> {
            type Ok = P::Ok;
            type Error = P::Error;

            #[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), P::Error> {
                if nothing::is_none(value) {
                    return Err(P::Error::custom(NO_NONE));
                }
                self.count += 1;
                self.inner.$method(&Part::new(value, self.place))
            }

            #[inline]
            fn end(self) -> Result<P::Ok, P::Error> {
                self.check_end()?;
                self.inner.end()
            }
        }
    )*};
}

lists! {
    SerializeSeq serialize_element;
    SerializeTuple serialize_element;
    SerializeTupleStruct serialize_field;
    SerializeTupleVariant serialize_field;
}

macro_rules! structs {
    ($($trait:ident)*) => {$(
        impl<P: $trait> $trait for Parts<P> {
            type Ok = P::Ok;
            type Error = P::Error;

            #[inline]
            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), P::Error> {
                if nothing::is_none(value) {
                    return self.inner.skip_field(name);
                }
                let part = Part::new(value, Place::of(name));
                self.inner.serialize_field(name, &part).map_err(|error| in_field(name, &error))
            }

            #[inline]
            fn skip_field(&mut self, name: &'static str) -> Result<(), P::Error> {
                self.inner.skip_field(name)
            }

            #[inline]
            fn end(self) -> Result<P::Ok, P::Error> {
                self.inner.end()
            }
        }
    )*};
}

structs! { SerializeStruct SerializeStructVariant }

/// Wraps the serializer of a map.
pub(super) struct Entries<M> {
    inner: M,
    /// True if it is a struct with flattened fields, not a map of the user.
    is_struct: bool,
    key: String,
    keys: Keys,
}

impl<M> Entries<M> {
    pub(super) fn new(inner: M, is_struct: bool) -> Self {
        Self { inner, is_struct, key: String::new(), keys: Keys::default() }
    }
}

impl<M: SerializeMap> Entries<M> {
    /// Keeps the key, which decides where its value is written.
    fn keep<K: Serialize + ?Sized>(&mut self, key: &K) -> Result<(), M::Error> {
        let value = serde_json::to_value(key).map_err(M::Error::custom)?;
        self.key = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        if !self.keys.add(self.key.as_bytes()) {
            return Err(written_twice(&self.key));
        }
        let name = self.key.strip_prefix('@').unwrap_or(&self.key);
        let is_lost = name.is_empty() || name.contains(':') || name == CONTENT;
        if is_lost && !self.is_struct {
            let problem = format!(
                "the key `{}` would not read back as the same; XML needs a name without a prefix",
                self.key
            );
            return Err(M::Error::custom(problem));
        }
        Ok(())
    }

    fn is_left_out<T: Serialize + ?Sized>(&self, value: &T) -> bool {
        self.is_struct && nothing::is_none(value)
    }

    fn value<'v, T: Serialize + ?Sized>(&self, value: &'v T) -> Part<'v, T> {
        // Treat the values of a map as if they were in a `Some`, because no key may be left out.
        Part { value, place: Place::of(&self.key), is_some: !self.is_struct }
    }
}

impl<M: SerializeMap> SerializeMap for Entries<M> {
    type Ok = M::Ok;
    type Error = M::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), M::Error> {
        self.keep(key)?;
        self.inner.serialize_key(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), M::Error> {
        let part = self.value(value);
        self.inner.serialize_value(&part).map_err(|error| in_field(&self.key, &error))
    }

    fn serialize_entry<K: Serialize + ?Sized, V: Serialize + ?Sized>(
        &mut self,
        key: &K,
        value: &V,
    ) -> Result<(), M::Error> {
        self.keep(key)?;
        if self.is_left_out(value) {
            return Ok(());
        }
        let part = self.value(value);
        self.inner.serialize_entry(key, &part).map_err(|error| in_field(&self.key, &error))
    }

    fn end(self) -> Result<M::Ok, M::Error> {
        self.inner.end()
    }
}
