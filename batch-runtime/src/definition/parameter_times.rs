//! Dates and times as parameters: a text is parsed completely or refused.

use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};

use super::parameter::{ParameterType, TypeName};
use super::parameter_types::required;
use super::parameter_value::ParameterValue;

macro_rules! times {
    ($($time:ident as $kind:ident: $what:literal)*) => {$(
        impl ParameterType for $time {
            const TYPE: TypeName = TypeName::plain(stringify!($time));

            fn parse(text: &str) -> Result<ParameterValue, String> {
                Ok(ParameterValue::$time(read(Kind::$kind, text)?))
            }

            fn from_value(value: Option<&ParameterValue>) -> Result<Self, String> {
                match required(value)? {
                    ParameterValue::$time(time) => Ok(*time),
                    // An instant that was stored is read back as a string.
                    ParameterValue::String(text) if matches!(Kind::$kind, Kind::Timestamp) => {
                        read(Kind::$kind, text)
                    }
                    _ => Err(concat!($what, " is expected").to_owned()),
                }
            }

            fn to_value(&self) -> Option<ParameterValue> {
                Some(ParameterValue::$time(*self))
            }
        }
    )*};
}

times! {
    Date as Date: "a date"
    DateTime as DateTime: "a date and time"
    Timestamp as Timestamp: "an instant"
}

fn read<T: FromStr>(kind: Kind, text: &str) -> Result<T, String> {
    if let Some(expected) = expected(kind, text) {
        return Err(expected.to_owned());
    }
    text.parse().map_err(|_| Expected::of(kind).plain.to_owned())
}

/// The kind of value expected in a text.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Date,
    DateTime,
    Timestamp,
}

/// The error messages for one kind of value.
struct Expected {
    plain: &'static str,
    /// For a text that ends before an expected time.
    short: &'static str,
    /// For a text with extra parts.
    long: &'static str,
}

impl Expected {
    const fn of(kind: Kind) -> Self {
        match kind {
            Kind::Date => Self {
                plain: "a date such as 2024-01-31 is expected",
                short: "",
                long: "a date alone, such as 2024-01-31, is expected (a `DateTime` parameter takes a time as well)",
            },
            Kind::DateTime => Self {
                plain: "a date and time such as 2024-01-31T08:30 is expected",
                short: "a date with its time, such as 2024-01-31T08:30, is expected (a `Date` parameter takes a date alone)",
                long: "a date and time without an offset or zone, such as 2024-01-31T08:30, is expected (a `Timestamp` parameter takes an offset as well)",
            },
            Kind::Timestamp => Self {
                plain: "a date and time with its offset, such as 2024-01-31T08:30:00Z or 2024-01-31T09:30+01:00, is expected",
                short: "a date and time with its offset, such as 2024-01-31T08:30:00Z or 2024-01-31T09:30+01:00, is expected",
                long: "a date and time with its offset alone, such as 2024-01-31T09:30+01:00, is expected",
            },
        }
    }
}

const LEAP_SECOND: &str = "a second from 00 to 59 is expected";

/// Returns the expectation that the text does not meet; `None` if the text is valid. Also used at compile time, to
/// check literals in the program.
pub(crate) const fn expected(kind: Kind, text: &str) -> Option<&'static str> {
    let bytes = text.as_bytes();
    let says = Expected::of(kind);
    let Some(mut at) = date(bytes) else { return Some(says.plain) };
    if at == bytes.len() {
        return if matches!(kind, Kind::Date) { None } else { Some(says.short) };
    }
    if matches!(kind, Kind::Date) {
        return Some(if is_digit(bytes, at) { says.plain } else { says.long });
    }
    if !matches!(bytes[at], b'T' | b't' | b' ') {
        return Some(says.plain);
    }
    at = match time(bytes, at + 1) {
        Time::To(end) => end,
        Time::LeapSecond => return Some(LEAP_SECOND),
        Time::None => return Some(says.plain),
    };
    let has_more = at < bytes.len() && matches!(bytes[at], b'Z' | b'z' | b'+' | b'-' | b'[');
    if matches!(kind, Kind::DateTime) {
        return match (at == bytes.len(), has_more) {
            (true, _) => None,
            (false, true) => Some(says.long),
            (false, false) => Some(says.plain),
        };
    }
    let Some(end) = offset(bytes, at) else { return Some(says.short) };
    if end == bytes.len() { None } else { Some(if bytes[end] == b'[' { says.long } else { says.plain }) }
}

const fn is_digit(bytes: &[u8], at: usize) -> bool {
    at < bytes.len() && bytes[at].is_ascii_digit()
}

/// Parses this many digits at an offset.
const fn number(bytes: &[u8], at: usize, digits: usize) -> Option<u32> {
    let mut number = 0;
    let mut past = 0;
    while past < digits {
        if !is_digit(bytes, at + past) {
            return None;
        }
        number = number * 10 + (bytes[at + past] - b'0') as u32;
        past += 1;
    }
    Some(number)
}

/// Parses the two-digit number at an offset, if it is at most `max`.
const fn two(bytes: &[u8], at: usize, max: u32) -> Option<u32> {
    match number(bytes, at, 2) {
        Some(number) if number <= max => Some(number),
        _ => None,
    }
}

const fn is_at(bytes: &[u8], at: usize, byte: u8) -> bool {
    at < bytes.len() && bytes[at] == byte
}

/// Returns the end of the date `2024-01-31`, which may also be written `20240131`; years may be written
/// `-000044`.
const fn date(bytes: &[u8]) -> Option<usize> {
    let signed = is_at(bytes, 0, b'-') || is_at(bytes, 0, b'+');
    let (first, digits) = if signed { (1, 6) } else { (0, 4) };
    let Some(year) = number(bytes, first, digits) else { return None };
    let mut at = first + digits;
    let apart = is_at(bytes, at, b'-');
    at += apart as usize;
    let Some(month) = two(bytes, at, 12) else { return None };
    at += 2;
    if apart != is_at(bytes, at, b'-') {
        return None;
    }
    at += apart as usize;
    let Some(day) = two(bytes, at, 31) else { return None };
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        _ => 31,
    };
    let is_day = month > 0 && day > 0 && day <= days && year <= 9999;
    // Year 0 exists, but year -0 does not.
    if !is_day || (year == 0 && is_at(bytes, 0, b'-')) { None } else { Some(at + 2) }
}

enum Time {
    /// The offset at which the time ends.
    To(usize),
    /// The second is 60, which is refused.
    LeapSecond,
    None,
}

/// `08:30`, `08:30:05`, `08:30:05.25`
const fn time(bytes: &[u8], at: usize) -> Time {
    if two(bytes, at, 23).is_none() || !is_at(bytes, at + 2, b':') || two(bytes, at + 3, 59).is_none() {
        return Time::None;
    }
    let mut at = at + 5;
    if !is_at(bytes, at, b':') {
        return Time::To(at);
    }
    match number(bytes, at + 1, 2) {
        Some(60) => return Time::LeapSecond,
        Some(0..60) => at += 3,
        _ => return Time::None,
    }
    if !is_at(bytes, at, b'.') && !is_at(bytes, at, b',') {
        return Time::To(at);
    }
    let first = at + 1;
    at = first;
    while is_digit(bytes, at) {
        at += 1;
    }
    // Nanoseconds are the finest unit.
    if at == first || at > first + 9 { Time::None } else { Time::To(at) }
}

/// Returns the end of `Z`, `+01:00`, `+0100` or `+01`.
const fn offset(bytes: &[u8], at: usize) -> Option<usize> {
    if is_at(bytes, at, b'Z') || is_at(bytes, at, b'z') {
        return Some(at + 1);
    }
    if !is_at(bytes, at, b'+') && !is_at(bytes, at, b'-') {
        return None;
    }
    if two(bytes, at + 1, 25).is_none() {
        return None;
    }
    let at = at + 3;
    let minutes = at + is_at(bytes, at, b':') as usize;
    if minutes == at && !is_digit(bytes, at) {
        return Some(at);
    }
    match two(bytes, minutes, 59) {
        Some(_) => Some(minutes + 2),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_time_with_an_offset_is_refused_with_the_remedy() {
        for text in ["2024-01-31T10:00+02:00", "2024-01-31T10:00Z", "2024-01-31T10:00[Europe/Berlin]"] {
            let said = DateTime::parse(text).unwrap_err();
            assert!(
                said.contains("without an offset or zone") && said.contains("`Timestamp`"),
                "{text}: {said}"
            );
        }
    }

    #[test]
    fn a_date_with_a_time_is_refused_with_the_remedy() {
        for text in
            ["2024-01-31T10:00", "2024-01-31 10:00", "2024-01-31T10:00+02:00", "2024-01-31[Europe/Berlin]"]
        {
            let said = Date::parse(text).unwrap_err();
            assert!(said.contains("a date alone") && said.contains("`DateTime`"), "{text}: {said}");
        }
    }

    #[test]
    fn a_timestamp_is_the_same_instant_in_any_offset() {
        let expected = Timestamp::parse("2024-01-31T08:00:00Z");
        for text in [
            "2024-01-31T10:00+02:00",
            "2024-01-31T10:00+02",
            "2024-01-31T10:00:00+0200",
            "2024-01-31t00:00-08:00",
        ] {
            assert_eq!(Timestamp::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn a_text_with_an_ignored_part_is_refused() {
        for text in [
            "2024-01-31",
            "2024-01-31T08",
            "2024-01-31T23:59:60",
            "2024-01-31T08:30:00.1234567890",
            " 2024-01-31T08:30",
        ] {
            assert!(DateTime::parse(text).is_err(), "{text}: {:?}", DateTime::parse(text));
        }
        for text in
            ["2024-01-31T10:00", "2024-01-31", "2024-01-31T10:00+02:00[Asia/Tokyo]", "2024-12-31T23:59:60Z"]
        {
            assert!(Timestamp::parse(text).is_err(), "{text}: {:?}", Timestamp::parse(text));
        }
    }

    #[test]
    fn only_dates_of_the_calendar_are_accepted() {
        for text in ["2024-02-29", "20240229", "2000-02-29", "-000044-03-15", "9999-12-31"] {
            assert!(Date::parse(text).is_ok(), "{text}");
        }
        for text in [
            "2023-02-29",
            "1900-02-29",
            "2024-13-01",
            "2024-00-01",
            "2024-04-31",
            "2024-1-31",
            "2024-0131",
            "202401311",
        ] {
            assert!(Date::parse(text).is_err(), "{text}");
        }
    }
}
