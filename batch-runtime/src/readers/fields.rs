//! Finds out, before the first record is read, whether records with these names can be the serde type at all.

use std::cell::Cell;
use std::fmt::{self, Display};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::mem;

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{self, DeserializeOwned, DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde::forward_to_deserialize_any;

/// The first field that `T` cannot do without and that none of the names is, where that can be told: `T` is a struct, and the field
/// has another name or alias than all of them. A record with values is needed to find out about the fields after it.
pub(crate) fn missing<'n, T: DeserializeOwned>(
    names: impl IntoIterator<Item = &'n str>,
) -> Option<&'static str> {
    let Err(Answer::Missing(field)) = ask::<T>(None).0 else { return None };
    // A name of no field: what is told apart from it is a field of the type's own.
    let wanted = field_of::<T>(field)?;
    if field_of::<T>("\0") == Some(wanted) {
        return None;
    }
    let is_there = names.into_iter().any(|name| field_of::<T>(name) == Some(wanted));
    (!is_there).then_some(field)
}

/// Does `T` take its values by names?
pub(crate) fn is_struct<T: DeserializeOwned>() -> bool {
    ask::<T>(None).1
}

/// Which field a name is, as a number; `None` if the type refuses it.
fn field_of<T: DeserializeOwned>(name: &str) -> Option<u64> {
    match ask::<T>(Some(name)).0 {
        Err(Answer::Field(field)) => Some(field),
        _ => None,
    }
}

/// What the type does with a record that has no fields, or one of that name; and whether it is a struct.
fn ask<T: DeserializeOwned>(name: Option<&str>) -> (Result<(), Answer>, bool) {
    let is_struct = Cell::new(false);
    let answer = T::deserialize(Record { name, is_struct: &is_struct }).map(drop);
    (answer, is_struct.get())
}

/// How a type answers.
#[derive(Debug)]
enum Answer {
    /// It cannot do without that field.
    Missing(&'static str),
    /// The name is that field.
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

impl<'de> Deserializer<'de> for Record<'de> {
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

impl<'de> MapAccess<'de> for Record<'de> {
    type Error = Answer;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Answer> {
        let Some(name) = self.name else { return Ok(None) };
        let key = seed.deserialize(BorrowedStrDeserializer::<Answer>::new(name))?;
        // Derived code makes a variant of the name, of an enum with one for each field. Of another type nothing is told.
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
    #[expect(dead_code, reason = "only its fields' names matter")]
    struct City {
        note: Option<String>,
        #[serde(alias = "town")]
        name: String,
        people: u32,
    }

    #[test]
    fn the_first_field_that_a_type_needs_is_missed() {
        assert_eq!(missing::<City>(["sep=", ""]), Some("name"));
        assert_eq!(missing::<City>(["note", "people"]), Some("name"));
    }

    #[test]
    fn a_field_may_come_by_another_of_its_names() {
        assert_eq!(missing::<City>(["town", "people"]), None);
    }

    #[test]
    fn a_type_that_refuses_other_names_is_asked_as_well() {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        #[expect(dead_code, reason = "only its fields' names matter")]
        struct Strict {
            name: String,
        }
        assert_eq!(missing::<Strict>(["nom"]), Some("name"));
        assert_eq!(missing::<Strict>(["nom", "name"]), None);
    }

    #[test]
    fn of_what_is_flattened_only_the_fields_beside_it_are_known() {
        #[derive(Deserialize)]
        #[expect(dead_code, reason = "only its fields' names matter")]
        struct Outer {
            id: u32,
            #[serde(flatten)]
            rest: HashMap<String, String>,
        }
        #[derive(Deserialize)]
        #[expect(dead_code, reason = "only its fields' names matter")]
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
