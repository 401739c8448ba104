//! Determines, before the first record is read, whether records with given field names can become a serde type at all.

use std::cell::Cell;
use std::fmt::{self, Display};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::mem;

use serde::de::value::StrDeserializer;
use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde::forward_to_deserialize_any;

/// Returns the first field that `T` requires, if `names` contains neither its name nor one of its aliases.
/// Later fields are not checked, because a type reports only the first that is missing. Also returns `None` for
/// a type that does not reveal its fields, such as a map.
pub(crate) fn missing<'n, 'de, T: Deserialize<'de>>(
    names: impl IntoIterator<Item = &'n str>,
) -> Option<&'static str> {
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
    ask::<T>(None).1
}

/// The index of the field that has this name; `None` if the type refuses it.
fn field_of<'de, T: Deserialize<'de>>(name: &str) -> Option<u64> {
    match ask::<T>(Some(name)).0 {
        Err(Answer::Field(field)) => Some(field),
        _ => None,
    }
}

/// Offers the type a record without fields, or with one field of that name. Returns its reaction, and whether
/// it is a struct.
fn ask<'de, T: Deserialize<'de>>(name: Option<&str>) -> (Result<(), Answer>, bool) {
    let is_struct = Cell::new(false);
    let answer = T::deserialize(Record { name, is_struct: &is_struct }).map(drop);
    (answer, is_struct.get())
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
    is_struct: &'a Cell<bool>,
}

impl<'de> Deserializer<'de> for Record<'_> {
    type Error = Answer;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Answer> {
        Err(Answer::Other)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Answer> {
        visitor.visit_map(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Answer> {
        self.is_struct.set(true);
        visitor.visit_map(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Answer> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        seq tuple tuple_struct enum identifier ignored_any
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
}
