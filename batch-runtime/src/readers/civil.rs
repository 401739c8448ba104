//! Refuses a text that would lose a part as a date, a time or both: `jiff` reads `2024-01-31T10:00+02:00` as a `DateTime`
//! without its offset, and as a `Date` without its time.

use std::any::type_name;

use jiff::civil::{Date, DateTime, Time};
use serde::de::{Error, Visitor};

use super::shown;

/// A type of `jiff` that knows no zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Civil {
    Date,
    DateTime,
    Time,
}

impl Civil {
    /// The type that a visitor makes, if it is one of them. Only the visitor of the type itself tells: the deserializer of
    /// `jiff` is not ours. The end of the name is compared first, so that the texts of other types do not pay for a search
    /// through the whole name.
    #[inline]
    fn of<'de, V: Visitor<'de>>() -> Option<Self> {
        let name = type_name::<V>();
        let civil = if name.ends_with("::DateVisitor") {
            Self::Date
        } else if name.ends_with("::DateTimeVisitor") {
            Self::DateTime
        } else if name.ends_with("::TimeVisitor") {
            Self::Time
        } else {
            return None;
        };
        name.contains("jiff::civil::").then_some(civil)
    }

    /// The type whose visitor says in a message that it expects this.
    pub(super) fn that_expects(what: &str) -> Option<Self> {
        let [date, date_time, time] = ["a date string", "a datetime string", "a time string"];
        match what {
            _ if what.starts_with(date) => Some(Self::Date),
            _ if what.starts_with(date_time) => Some(Self::DateTime),
            _ if what.starts_with(time) => Some(Self::Time),
            _ => None,
        }
    }

    /// What the text should be, if this type takes it and loses a part of it, or makes up another.
    pub(super) fn loss(self, text: &str) -> Option<&'static str> {
        let expected = self.expected(text.as_bytes())?;
        let takes_it = match self {
            Self::Date => text.parse::<Date>().is_ok(),
            Self::DateTime => text.parse::<DateTime>().is_ok(),
            Self::Time => text.parse::<Time>().is_ok(),
        };
        takes_it.then_some(expected)
    }

    /// What the text should be, if this type would take only a part of it, or make up another.
    fn expected(self, text: &[u8]) -> Option<&'static str> {
        let is_separator = |byte: &u8| matches!(byte, b'T' | b't' | b' ');
        let separator = text.iter().position(is_separator);
        // A time may begin with its separator.
        let has_date = separator.is_some_and(|at| at > 0);
        let time = match (self, separator) {
            (_, Some(at)) => &text[at + 1..],
            (Self::Time, None) => text,
            (Self::Date | Self::DateTime, None) => &[],
        };
        let clock = time.iter().position(|byte| !matches!(byte, b'0'..=b'9' | b':' | b'.' | b','));
        let digits = time.split(|byte| matches!(byte, b'.' | b',')).next().unwrap_or_default();
        let seconds = || digits.iter().filter(|byte| byte.is_ascii_digit()).skip(4).take(2);
        match self {
            Self::Date if separator.is_some() || text.contains(&b'[') => {
                Some("expected a date alone, such as 2024-01-31 (a `DateTime` takes a time as well)")
            }
            Self::Date => None,
            Self::DateTime if separator.is_none() => {
                Some("expected a date with its time, such as 2024-01-31T08:30 (a `Date` takes a date alone)")
            }
            Self::Time if has_date => {
                Some("expected a time alone, such as 08:30 (a `DateTime` takes a date as well)")
            }
            Self::DateTime if clock.is_some() => Some(
                "expected a date and time without an offset or zone, such as 2024-01-31T08:30 (a `Timestamp` takes an offset as well)",
            ),
            Self::Time if clock.is_some() => Some("expected a time without an offset or zone, such as 08:30"),
            Self::DateTime | Self::Time => seconds().eq(b"60").then_some("expected a second from 00 to 59"),
        }
    }
}

/// Refuses a text of which the visitor would lose a part.
#[inline]
pub(super) fn refuse_loss<'de, V: Visitor<'de>, E: Error>(text: &[u8]) -> Result<(), E> {
    match problem::<V>(text) {
        None => Ok(()),
        Some(problem) => Err(E::custom(lossy(problem, &String::from_utf8_lossy(text)))),
    }
}

/// The message about a text of which a part would be lost.
#[cold]
pub(super) fn lossy(problem: &str, text: &str) -> String {
    format!("{problem}, found text '{}'", shown(text))
}

/// What the text should be, if the visitor would lose a part of it.
#[inline]
pub(super) fn problem<'de, V: Visitor<'de>>(text: &[u8]) -> Option<&'static str> {
    Civil::of::<V>()?.expected(text)
}

/// True if one of the types takes the text and loses a part of it, or makes up another.
pub(super) fn may_lose_a_part(text: &str) -> bool {
    // They take no text with `Z`, the most common offset.
    looks_like_one(text.as_bytes())
        && !text.ends_with(['Z', 'z'])
        && [Civil::Date, Civil::DateTime, Civil::Time].iter().any(|civil| civil.loss(text).is_some())
}

/// Quickly returns false for most other texts, among them numbers, names and UUIDs.
fn looks_like_one(text: &[u8]) -> bool {
    let digits_of = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    match text {
        [b'+' | b'-', year @ ..] => digits_of(year) >= 6,
        [b'T' | b't', time @ ..] => digits_of(time) >= 2,
        _ => {
            let digits = digits_of(text);
            let is_part = matches!(text.get(digits), Some(b'-' | b':' | b'+' | b'['));
            digits >= 6 || is_part && matches!(digits, 2 | 4)
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::{Timestamp, Zoned};
    use proptest::prelude::*;
    use serde::de::DeserializeOwned;
    use serde::{Deserializer, forward_to_deserialize_any};

    use super::*;

    /// A text that is deserialized as the readers do.
    struct Text(&'static str);

    impl<'de> Deserializer<'de> for Text {
        type Error = serde::de::value::Error;

        fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
            refuse_loss::<V, Self::Error>(self.0.as_bytes())?;
            visitor.visit_borrowed_str(self.0)
        }

        fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
            visitor.visit_some(self)
        }

        forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
            newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
        }
    }

    fn read<T: DeserializeOwned>(text: &'static str) -> Result<T, String> {
        T::deserialize(Text(text)).map_err(|error| error.to_string())
    }

    #[track_caller]
    fn refused<T: DeserializeOwned>(text: &'static str, problem: &str) {
        let error = read::<T>(text).map(drop).unwrap_err();
        assert!(error.starts_with(problem) && error.ends_with(&format!("found text '{text}'")), "{error}");
    }

    #[test]
    fn a_date_takes_no_time() {
        for text in ["2024-01-31T10:00", "2024-01-31T23:59+02:00", "2024-01-31 00:00:00", "20240131T10"] {
            refused::<Date>(text, "expected a date alone");
            refused::<Option<Date>>(text, "expected a date alone");
        }
        assert_eq!(read::<Date>("2024-01-31").unwrap().day(), 31);
        assert_eq!(read::<Date>("20240131").unwrap().day(), 31);
    }

    #[test]
    fn a_date_time_takes_neither_less_nor_more() {
        for text in ["2024-01-31", "20240131", "-000044-03-15"] {
            refused::<DateTime>(text, "expected a date with its time");
        }
        for text in ["2024-01-31T10:00+02:00", "2024-01-31T10:00-08", "2024-01-31 10:00[Europe/Paris]"] {
            refused::<DateTime>(text, "expected a date and time without an offset");
        }
        for text in ["2024-12-31T23:59:60", "20241231T235960", "2024-12-31T23:59:60.5"] {
            refused::<DateTime>(text, "expected a second from 00 to 59");
        }
        for text in
            ["2024-01-31T10:00", "2024-01-31 10:00:59.123456789", "20240131T100059", "-000044-03-15T12:00"]
        {
            read::<DateTime>(text).unwrap();
        }
    }

    #[test]
    fn a_time_takes_neither_a_date_nor_an_offset() {
        refused::<Time>("2024-01-31T10:00", "expected a time alone");
        refused::<Time>("10:00:00+02:00", "expected a time without an offset");
        refused::<Time>("23:59:60", "expected a second");
        for text in ["10:00", "T10:00", "23:59:59.25", "100000"] {
            read::<Time>(text).unwrap();
        }
    }

    #[test]
    fn types_that_keep_every_part_take_it() {
        read::<Timestamp>("2024-01-31T10:00+02:00").unwrap();
        read::<Zoned>("2024-01-31T10:00+01:00[Europe/Paris]").unwrap();
        assert_eq!(read::<String>("2024-01-31T10:00+02:00").unwrap().len(), 22);
    }

    #[test]
    fn only_a_text_of_which_a_type_would_take_a_part_may_lose_one() {
        for text in [
            "2024-01-31",
            "2024-01-31T10:00",
            "2024-01-31T10:00+02:00",
            "10:00-08",
            "T23:59:60",
            "20240131T10",
        ] {
            assert!(may_lose_a_part(text), "{text}");
        }
        for text in ["", "10:00", "2024-01-31T10:00Z", "2024", "12 rooms", "Tom", "-3", "+1-202-456-1111"] {
            assert!(!may_lose_a_part(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_text_that_loses_a_part_looks_like_one(
            text in "[Tt+-]?[0-9]{1,8}[0-9T:+ .\\[-]{0,14}(\\[UTC\\])?",
        ) {
            let loses = [Civil::Date, Civil::DateTime, Civil::Time].iter().any(|civil| civil.loss(&text).is_some());
            prop_assert!(!loses || looks_like_one(text.as_bytes()));
        }
    }

    #[test]
    fn the_types_are_known_by_what_they_expect() {
        struct Number;

        impl<'de> Deserializer<'de> for Number {
            type Error = serde::de::value::Error;

            fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
                visitor.visit_u64(1)
            }

            forward_to_deserialize_any! {
                bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
                unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
            }
        }

        fn expecting<T: DeserializeOwned>() -> Option<Civil> {
            let error = T::deserialize(Number).map(drop).unwrap_err().to_string();
            Civil::that_expects(error.split_once(", expected ").unwrap().1)
        }

        assert_eq!(expecting::<Date>(), Some(Civil::Date));
        assert_eq!(expecting::<DateTime>(), Some(Civil::DateTime));
        assert_eq!(expecting::<Time>(), Some(Civil::Time));
        assert_eq!(expecting::<Timestamp>(), None);
        assert_eq!(expecting::<Zoned>(), None);
        assert_eq!(expecting::<String>(), None);
    }
}
