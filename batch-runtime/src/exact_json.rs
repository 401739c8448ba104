//! Writes values as JSON that is read back as the same values, and refuses those that JSON cannot represent.
//!
//! `serde_json` writes a NaN or infinite float as `null`, and a `Some` that contains `None` or `()` too; both are read
//! back as another value, or not at all.

use std::fmt::Display;
use std::io::Write;

use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};
use serde_json::Value;
use serde_json::ser::Formatter;
use serde_json::value::RawValue;

use crate::keys::Keys;

/// Appends the value in the form that `formatter` gives it.
#[inline]
pub(crate) fn append_as<T: Serialize + ?Sized>(
    value: &T,
    out: impl Write,
    formatter: impl Formatter,
) -> Result<(), serde_json::Error> {
    value.serialize(Exact::<_, false, false>(&mut serde_json::Serializer::with_formatter(out, formatter)))
}

/// Returns the value as a JSON text.
pub(crate) fn to_string<T: Serialize + ?Sized>(value: &T) -> Result<String, serde_json::Error> {
    serde_json::to_string(&Part::<_, false, false>(value))
}

/// Returns the value as a JSON text for a report, where a number that JSON does not have is a text such as `"NaN"`.
pub(crate) fn shown<T: Serialize + ?Sized>(value: &T) -> Result<String, serde_json::Error> {
    serde_json::to_string(&Part::<_, false, true>(value))
}

/// Returns the value as a JSON text that can be a part of another one.
pub(crate) fn to_raw_value<T: Serialize + ?Sized>(value: &T) -> Result<Box<RawValue>, serde_json::Error> {
    serde_json::value::to_raw_value(&Part::<_, false, false>(value))
}

/// Returns the value as a [`Value`], which holds no integer of more than 64 bits.
pub(crate) fn to_value<T: Serialize + ?Sized>(value: &T) -> Result<Value, serde_json::Error> {
    serde_json::to_value(Part::<_, false, false>(value))
}

/// The beginning of messages about a field; its name and a backtick follow.
const FIELD: &str = "field `";

/// Separates the name of the field from a message; `None` if it names no field.
pub(crate) fn field_of(message: &str) -> Option<(&str, &str)> {
    message.strip_prefix(FIELD)?.split_once("`: ")
}

/// Wraps a serializer, or the serializer of a compound value. `IN_SOME` says that the value is in a `Some`, and `SHOWS` that
/// the text is only shown to a person.
struct Exact<S, const IN_SOME: bool, const SHOWS: bool>(S);

/// A part of a compound value.
struct Part<'v, T: ?Sized, const IN_SOME: bool, const SHOWS: bool>(&'v T);

impl<T: Serialize + ?Sized, const IN_SOME: bool, const SHOWS: bool> Serialize
    for Part<'_, T, IN_SOME, SHOWS>
{
    #[inline]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(Exact::<S, IN_SOME, SHOWS>(serializer))
    }
}

#[cold]
fn no_number<E: serde::ser::Error>(value: f64) -> E {
    E::custom(format_args!("JSON has no number for {value}; write an `Option` or a string"))
}

#[cold]
fn null_in_some<E: serde::ser::Error>() -> E {
    E::custom("a `Some` without a value would be read back as `None`; use a single `Option`, or an enum")
}

/// Names the field in which a value was refused.
#[cold]
pub(crate) fn in_field<E: serde::ser::Error>(name: &str, refused: &E) -> E {
    let message = refused.to_string();
    match message.strip_prefix(FIELD) {
        Some(within) => E::custom(format_args!("{FIELD}{name}.{within}")),
        None => E::custom(format_args!("{FIELD}{name}`: {message}")),
    }
}

macro_rules! as_it_is {
    ($($method:ident($($argument:ident: $type:ty),*);)*) => {$(
        #[inline]
        fn $method(self, $($argument: $type),*) -> Result<S::Ok, S::Error> {
            self.0.$method($($argument),*)
        }
    )*};
}

/// Methods that write `null`.
macro_rules! nulls {
    ($($method:ident($($argument:ident: $type:ty),*);)*) => {$(
        #[inline]
        fn $method(self, $($argument: $type),*) -> Result<S::Ok, S::Error> {
            if IN_SOME && !SHOWS { Err(null_in_some()) } else { self.0.$method($($argument),*) }
        }
    )*};
}

macro_rules! with_parts {
    ($($method:ident($($argument:ident: $type:ty),*) $part:ident;)*) => {$(
        #[inline]
        fn $method(self, $($argument: $type),*) -> Result<Exact<S::$part, false, SHOWS>, S::Error> {
            self.0.$method($($argument),*).map(Exact)
        }
    )*};
}

impl<S: Serializer, const IN_SOME: bool, const SHOWS: bool> Serializer for Exact<S, IN_SOME, SHOWS> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Exact<S::SerializeSeq, false, SHOWS>;
    type SerializeTuple = Exact<S::SerializeTuple, false, SHOWS>;
    type SerializeTupleStruct = Exact<S::SerializeTupleStruct, false, SHOWS>;
    type SerializeTupleVariant = Exact<S::SerializeTupleVariant, false, SHOWS>;
    type SerializeMap = Entries<S::SerializeMap, SHOWS>;
    type SerializeStruct = Exact<S::SerializeStruct, false, SHOWS>;
    type SerializeStructVariant = Exact<S::SerializeStructVariant, false, SHOWS>;

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
        serialize_char(value: char);
        serialize_str(value: &str);
        serialize_bytes(value: &[u8]);
        serialize_unit_variant(name: &'static str, index: u32, variant: &'static str);
    }

    nulls! {
        serialize_none();
        serialize_unit();
        serialize_unit_struct(name: &'static str);
    }

    #[inline]
    fn serialize_f32(self, value: f32) -> Result<S::Ok, S::Error> {
        match value {
            _ if value.is_finite() => self.0.serialize_f32(value),
            _ if SHOWS => self.0.collect_str(&value),
            _ => Err(no_number(value.into())),
        }
    }

    #[inline]
    fn serialize_f64(self, value: f64) -> Result<S::Ok, S::Error> {
        match value {
            _ if value.is_finite() => self.0.serialize_f64(value),
            _ if SHOWS => self.0.collect_str(&value),
            _ => Err(no_number(value)),
        }
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.0.serialize_some(&Part::<_, true, SHOWS>(value))
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.0.serialize_newtype_struct(name, &Part::<_, IN_SOME, SHOWS>(value))
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.0.serialize_newtype_variant(name, index, variant, &Part::<_, false, SHOWS>(value))
    }

    #[inline]
    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.0.collect_str(value)
    }

    #[inline]
    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }

    #[inline]
    fn serialize_map(self, length: Option<usize>) -> Result<Self::SerializeMap, S::Error> {
        let keys = if length.is_none() && !SHOWS { Some(Keys::default()) } else { None };
        self.0.serialize_map(length).map(|entries| Entries { entries, keys })
    }

    with_parts! {
        serialize_seq(length: Option<usize>) SerializeSeq;
        serialize_tuple(length: usize) SerializeTuple;
        serialize_tuple_struct(name: &'static str, length: usize) SerializeTupleStruct;
        serialize_tuple_variant(name: &'static str, index: u32, variant: &'static str, length: usize) SerializeTupleVariant;
        serialize_struct(name: &'static str, length: usize) SerializeStruct;
        serialize_struct_variant(name: &'static str, index: u32, variant: &'static str, length: usize) SerializeStructVariant;
    }
}

macro_rules! sequences {
    ($($trait:ident $method:ident;)*) => {$(
        impl<S: $trait, const SHOWS: bool> $trait for Exact<S, false, SHOWS> {
            type Ok = S::Ok;
            type Error = S::Error;

            #[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), S::Error> {
                self.0.$method(&Part::<_, false, SHOWS>(value))
            }

            #[inline]
            fn end(self) -> Result<S::Ok, S::Error> {
                self.0.end()
            }
        }
    )*};
}

sequences! {
    SerializeSeq serialize_element;
    SerializeTuple serialize_element;
    SerializeTupleStruct serialize_field;
    SerializeTupleVariant serialize_field;
}

macro_rules! structs {
    ($($trait:ident)*) => {$(
        impl<S: $trait, const SHOWS: bool> $trait for Exact<S, false, SHOWS> {
            type Ok = S::Ok;
            type Error = S::Error;

            #[inline]
            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), S::Error> {
                self.0
                    .serialize_field(name, &Part::<_, false, SHOWS>(value))
                    .map_err(|refused| in_field(name, &refused))
            }

            #[inline]
            fn skip_field(&mut self, name: &'static str) -> Result<(), S::Error> {
                self.0.skip_field(name)
            }

            #[inline]
            fn end(self) -> Result<S::Ok, S::Error> {
                self.0.end()
            }
        }
    )*};
}

structs! { SerializeStruct SerializeStructVariant }

/// Wraps the serializer of a map.
struct Entries<S, const SHOWS: bool> {
    entries: S,
    /// The keys of a struct with flattened fields, of which two may be the same. serde does not know its length.
    keys: Option<Keys>,
}

impl<S: SerializeMap, const SHOWS: bool> SerializeMap for Entries<S, SHOWS> {
    type Ok = S::Ok;
    type Error = S::Error;

    #[inline]
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), S::Error> {
        if let Some(keys) = &mut self.keys
            && !is_new(key, keys)
        {
            return Err(twice(key));
        }
        self.entries.serialize_key(key)
    }

    #[inline]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), S::Error> {
        self.entries.serialize_value(&Part::<_, false, SHOWS>(value))
    }

    #[inline]
    fn end(self) -> Result<S::Ok, S::Error> {
        self.entries.end()
    }
}

/// Adds a key; false if it is there already.
fn is_new<T: Serialize + ?Sized>(key: &T, keys: &mut Keys) -> bool {
    let mut short = [0; 64];
    let mut rest = short.as_mut_slice();
    if serde_json::to_writer(&mut rest, key).is_ok() {
        let free = rest.len();
        let length = short.len() - free;
        return keys.add(&short[..length]);
    }
    // A key that cannot be serialised is refused later.
    serde_json::to_vec(key).map_or(true, |long| keys.add(&long))
}

#[cold]
fn twice<T: Serialize + ?Sized, E: serde::ser::Error>(key: &T) -> E {
    let key = serde_json::to_string(key).unwrap_or_default();
    written_twice(key.trim_matches('"'))
}

/// The error of an item of which two values have the same name.
pub(crate) fn written_twice<E: serde::ser::Error>(name: &str) -> E {
    let problem = "it is written twice, by a field and a flattened one; a reader would keep only one value";
    in_field(name, &E::custom(problem))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Serialize;

    use super::*;

    #[derive(Serialize)]
    struct Wrapped<T>(T);

    #[derive(Serialize)]
    struct Inner<T> {
        value: T,
    }

    #[derive(Serialize)]
    struct Outer<T> {
        inner: Option<Inner<T>>,
    }

    #[derive(Serialize)]
    struct Flat<T> {
        #[serde(flatten)]
        rest: BTreeMap<&'static str, T>,
    }

    #[test]
    fn a_some_that_would_be_read_back_as_none_is_refused_wherever_it_is() {
        #[derive(Serialize)]
        struct Unit;

        fn refused<T: Serialize>(value: &T) {
            let message = to_string(value).unwrap_err().to_string();
            assert!(message.contains("a `Some` without a value would be read back as `None`"), "{message}");
        }
        refused(&Some(None::<u8>));
        refused(&Some(()));
        refused(&Some(Unit));
        refused(&Some(Value::Null));
        refused(&Some(Wrapped(None::<u8>)));
        refused(&vec![Some(None::<u8>)]);
        refused(&(1, BTreeMap::from([("a", Some(()))])));
        refused(&Outer { inner: Some(Inner { value: Some(None::<u8>) }) });
        refused(&Flat { rest: BTreeMap::from([("a", Some(Value::Null))]) });
    }

    #[test]
    fn everything_else_is_written_as_serde_json_writes_it() {
        fn same<T: Serialize>(value: &T) {
            assert_eq!(to_string(value).unwrap(), serde_json::to_string(value).unwrap());
            assert_eq!(to_value(value).unwrap(), serde_json::to_value(value).unwrap());
        }
        same(&None::<Option<u8>>);
        same(&Some(vec![None::<u8>]));
        same(&Some(Inner { value: () }));
        same(&(Value::Null, (), Some(Some(1))));
        same(&Flat { rest: BTreeMap::from([("a", Some(1.5)), ("b", None)]) });
        let raw = to_raw_value(&Inner { value: u128::MAX }).unwrap();
        assert_eq!(to_string(&Some(raw)).unwrap(), format!("{{\"value\":{}}}", u128::MAX));
    }

    #[test]
    fn a_name_that_is_written_twice_is_refused() {
        #[derive(Serialize)]
        struct Named<'n> {
            id: u8,
            #[serde(flatten)]
            first: BTreeMap<&'n str, u8>,
            #[serde(flatten)]
            second: Inner<u8>,
        }

        let long = "x".repeat(100);
        let of = |name: &'static str| Named {
            id: 1,
            first: BTreeMap::from([(name, 2), (long.as_str(), 3)]),
            second: Inner { value: 4 },
        };
        for name in ["id", "value"] {
            let refused = to_string(&of(name)).unwrap_err().to_string();
            assert!(refused.starts_with(&format!("field `{name}`: it is written twice")), "{refused}");
            assert!(to_string(&Wrapped(vec![of(name)])).is_err());
            shown(&of(name)).unwrap();
        }
        assert!(to_string(&of("a")).unwrap().ends_with(r#""value":4}"#));
    }

    #[test]
    fn the_field_of_a_refused_value_is_named_with_the_fields_around_it() {
        let refused = to_string(&Outer { inner: Some(Inner { value: [f64::NAN] }) }).unwrap_err().to_string();
        let (field, problem) = field_of(&refused).unwrap();
        assert_eq!(field, "inner.value");
        assert_eq!(problem, "JSON has no number for NaN; write an `Option` or a string");
    }

    #[test]
    fn a_report_shows_a_number_that_json_does_not_have_as_a_text() {
        #[derive(Serialize)]
        struct Measured {
            least: f64,
            most: Option<f32>,
            all: Vec<f64>,
        }

        let measured =
            Measured { least: f64::NAN, most: Some(f32::INFINITY), all: vec![0.5, f64::NEG_INFINITY] };
        let text = r#"{"least":"NaN","most":"inf","all":[0.5,"-inf"]}"#;
        assert_eq!(shown(&measured).unwrap(), text);
        assert_eq!(shown(&Flat { rest: BTreeMap::from([("a", f64::NAN)]) }).unwrap(), r#"{"a":"NaN"}"#);
        assert_eq!(shown(&Some(None::<u8>)).unwrap(), "null");
    }
}
