//! Determines, before the first record is read, whether records with given field names can become a serde type at all.

use std::cell::Cell;
use std::collections::HashSet;
use std::fmt::{self, Display};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::mem;

use serde::de::value::StrDeserializer;
use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, Visitor};

/// The reason why no record with the given names can become a type as it should.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(
    not(feature = "csv"),
    expect(unreachable_pub, reason = "a public trait of the CSV reader names it")
)]
pub enum Misfit {
    /// The type requires a field that has none of the names.
    Lacks(&'static str),
    /// The type requires no field, and none of its fields has one of the names: all its values would be missing.
    SharesNone(&'static [&'static str]),
    /// The type takes all names as keys, and would keep only one of the two values with this name.
    Twice(Box<str>),
}

/// Returns the reason why no record with these names should become a `T`.
pub(crate) fn misfit<'n, 'de, T: Deserialize<'de>>(
    names: impl Iterator<Item = &'n str> + Clone,
) -> Option<Misfit> {
    if let Some(field) = missing::<T>(names.clone()) {
        return Some(Misfit::Lacks(field));
    }
    match ask::<T>(None) {
        (Ok(()), Shape::Struct(fields)) => {
            let shares_none = !fields.is_empty() && !names.clone().any(|name| fields.contains(&name));
            (shares_none && names.clone().next().is_some()).then_some(Misfit::SharesNone(fields))
        }
        (_, Shape::Map) => {
            let mut seen = HashSet::new();
            let mut names = names;
            names.find(|name| !seen.insert(*name)).map(|name| Misfit::Twice(name.into()))
        }
        _ => None,
    }
}

/// Returns the first field that `T` requires, if `names` contains neither its name nor one of its aliases.
/// Later fields are not checked, because a type reports only the first that is missing. Also returns `None` for
/// a type that does not reveal its fields, such as a map.
fn missing<'n, 'de, T: Deserialize<'de>>(names: impl IntoIterator<Item = &'n str>) -> Option<&'static str> {
    let Err(Answer::Missing(field)) = ask::<T>(None).0 else { return None };
    let wanted = field_of::<T>(field)?;
    // No field is named `\0`: a type that takes `\0` for the field does not know the field by name.
    if field_of::<T>("\0") == Some(wanted) {
        return None;
    }
    let is_there = names.into_iter().any(|name| field_of::<T>(name) == Some(wanted));
    (!is_there).then_some(field)
}

/// True if `T` takes its values by name.
pub(crate) fn is_struct<'de, T: Deserialize<'de>>() -> bool {
    matches!(ask::<T>(None).1, Shape::Struct(_))
}

/// The index of the field that has this name; `None` if the type refuses it.
fn field_of<'de, T: Deserialize<'de>>(name: &str) -> Option<u64> {
    match ask::<T>(Some(name)).0 {
        Err(Answer::Field(field)) => Some(field),
        _ => None,
    }
}

/// Offers the type a record without fields, or with one field of that name. Returns its reaction and its
/// shape.
fn ask<'de, T: Deserialize<'de>>(name: Option<&str>) -> (Result<(), Answer>, Shape) {
    let shape = Cell::new(Shape::Other);
    let answer = T::deserialize(Record { name, shape: &shape }).map(drop);
    (answer, shape.get())
}

/// How a type takes the values of a record.
#[derive(Debug, Clone, Copy)]
enum Shape {
    /// By the names of its fields.
    Struct(&'static [&'static str]),
    /// By any name, or by those of a flattened struct.
    Map,
    /// Without names, or not at all.
    Other,
}

/// How a type reacts.
#[derive(Debug)]
enum Answer {
    /// The type requires this field.
    Missing(&'static str),
    /// The name belongs to this field.
    Field(u64),
    /// Anything else.
    Other,
}

impl Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no values")
    }
}

impl std::error::Error for Answer {}

impl de::Error for Answer {
    fn custom<T: Display>(_: T) -> Self {
        Self::Other
    }

    fn missing_field(field: &'static str) -> Self {
        Self::Missing(field)
    }
}

/// A record without values.
#[derive(Clone, Copy)]
struct Record<'a> {
    name: Option<&'a str>,
    shape: &'a Cell<Shape>,
}

/// Refuses what is neither a struct nor a map.
macro_rules! no_record {
    ($($method:ident($($argument:ty),*))*) => {$(
        fn $method<V: Visitor<'de>>(self, $(_: $argument,)* _: V) -> Result<V::Value, Answer> {
            Err(Answer::Other)
        }
    )*};
}

impl<'de> Deserializer<'de> for Record<'_> {
    type Error = Answer;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Answer> {
        // An untyped value becomes a map.
        self.shape.set(Shape::Map);
        Err(Answer::Other)
    }

    no_record! {
        deserialize_bool() deserialize_i8() deserialize_i16() deserialize_i32() deserialize_i64() deserialize_i128()
        deserialize_u8() deserialize_u16() deserialize_u32() deserialize_u64() deserialize_u128() deserialize_f32()
        deserialize_f64() deserialize_char() deserialize_str() deserialize_string() deserialize_bytes()
        deserialize_byte_buf() deserialize_option() deserialize_unit() deserialize_unit_struct(&'static str)
        deserialize_seq() deserialize_tuple(usize) deserialize_tuple_struct(&'static str, usize)
        deserialize_enum(&'static str, &'static [&'static str]) deserialize_identifier() deserialize_ignored_any()
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Answer> {
        self.shape.set(Shape::Map);
        visitor.visit_map(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Answer> {
        self.shape.set(Shape::Struct(fields));
        visitor.visit_map(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Answer> {
        visitor.visit_newtype_struct(self)
    }
}

impl<'de> MapAccess<'de> for Record<'_> {
    type Error = Answer;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Answer> {
        let Some(name) = self.name else { return Ok(None) };
        let key = seed.deserialize(StrDeserializer::<Answer>::new(name))?;
        // Derived code turns the name into a variant of an enum with one variant per field. Other types
        // reveal nothing.
        let mut hasher = DefaultHasher::new();
        mem::discriminant(&key).hash(&mut hasher);
        Err(Answer::Field(hasher.finish()))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, _: S) -> Result<S::Value, Answer> {
        Err(Answer::Other)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only the names of its fields matter")]
    struct City {
        note: Option<String>,
        #[serde(alias = "town")]
        name: String,
        people: u32,
    }

    #[test]
    fn the_first_missing_required_field_is_found() {
        assert_eq!(missing::<City>(["sep=", ""]), Some("name"));
        assert_eq!(missing::<City>(["note", "people"]), Some("name"));
    }

    #[test]
    fn a_field_may_be_given_by_an_alias() {
        assert_eq!(missing::<City>(["town", "people"]), None);
    }

    #[test]
    fn a_type_that_denies_unknown_fields_works_too() {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        #[expect(dead_code, reason = "only the names of its fields matter")]
        struct Strict {
            name: String,
        }
        assert_eq!(missing::<Strict>(["nom"]), Some("name"));
        assert_eq!(missing::<Strict>(["nom", "name"]), None);
    }

    #[test]
    fn only_the_fields_next_to_a_flattened_one_are_known() {
        #[derive(Deserialize)]
        #[expect(dead_code, reason = "only the names of its fields matter")]
        struct Outer {
            id: u32,
            #[serde(flatten)]
            rest: HashMap<String, String>,
        }
        #[derive(Deserialize)]
        #[expect(dead_code, reason = "only the names of its fields matter")]
        struct Around {
            #[serde(flatten)]
            city: City,
        }
        assert_eq!(missing::<Outer>(["name"]), Some("id"));
        assert_eq!(missing::<Outer>(["id"]), None);
        assert_eq!(missing::<Around>(["a", "b"]), None, "serde does not say what an inner type needs");
    }

    #[test]
    fn types_without_names_need_none() {
        assert_eq!(missing::<Vec<String>>(["a"]), None);
        assert_eq!(missing::<(u8, u8)>(["a"]), None);
        assert_eq!(missing::<HashMap<String, String>>(["a"]), None);
        assert_eq!(missing::<serde_json::Value>(["a"]), None);
        assert_eq!(missing::<Option<u8>>(["a"]), None);
        assert!(is_struct::<City>() && !is_struct::<Vec<u8>>());
    }

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only the names of its fields matter")]
    struct Notes {
        a: Option<u8>,
        #[serde(default, alias = "bee")]
        b: u8,
    }

    #[test]
    fn a_type_whose_fields_are_all_optional_needs_at_least_one_of_them() {
        assert_eq!(misfit::<Notes>(["a;b"].into_iter()), Some(Misfit::SharesNone(&["a", "b", "bee"])));
        assert_eq!(misfit::<Notes>(["x", "bee"].into_iter()), None);
        assert_eq!(misfit::<Notes>([].into_iter()), None);
        assert_eq!(misfit::<City>(["x"].into_iter()), Some(Misfit::Lacks("name")));
        assert_eq!(misfit::<HashMap<String, String>>(["x"].into_iter()), None);
    }

    #[test]
    fn only_a_type_that_keeps_one_value_for_each_name_needs_different_names() {
        #[derive(Deserialize)]
        #[expect(dead_code, reason = "only the names of its fields matter")]
        struct Outer {
            id: u32,
            #[serde(flatten)]
            rest: HashMap<String, String>,
        }
        let names = || ["id", "a", "b", "a"].into_iter();
        let twice = Some(Misfit::Twice("a".into()));
        assert_eq!(misfit::<HashMap<String, u8>>(names()), twice);
        assert_eq!(misfit::<serde_json::Value>(names()), twice);
        assert_eq!(misfit::<Outer>(names()), twice);
        assert_eq!(misfit::<Notes>(names()), None, "serde refuses it where it matters");
        assert_eq!(misfit::<Vec<String>>(names()), None);
        assert_eq!(misfit::<(u8, u8, u8, u8)>(names()), None);
    }
}
