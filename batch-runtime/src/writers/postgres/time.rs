//! Reads dates and times as serde writes them, and counts them from the server's epoch.

/// The days from 0000-03-01 to the server's epoch, 2000-01-01.
const EPOCH: i64 = 730_425;
const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;
/// The first day that the server knows, 4714-11-24 BC.
const FIRST_DAY: i64 = -2_451_545;

/// A date and a time, perhaps with its offset from UTC.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Moment {
    microseconds: i64,
    /// In seconds.
    offset: Option<i64>,
}

/// Checks that a column with that many digits of a second would not round these microseconds.
pub(super) fn exact(microseconds: i64, digits: u32) -> Result<i64, Problem> {
    let unit = 10_i64.pow(6_u32.saturating_sub(digits));
    if microseconds % unit == 0 { Ok(microseconds) } else { Err("would be rounded") }
}

/// The reason why a text is not a date or time.
pub(super) type Problem = &'static str;

const NOT_A_DATE: Problem = "is not a date such as `2024-01-31`";
const NOT_A_TIME: Problem = "is not a time such as `12:30:00`";
const NOT_A_MOMENT: Problem = "is not a date with a time such as `2024-01-31T12:30:00`";
const TOO_FINE: Problem = "is finer than the server's microseconds";
const TOO_EARLY: Problem = "is earlier than the server's first day";

/// Reads `2024-01-31`; returns the days since the server's epoch.
pub(super) fn date(text: &str) -> Result<i32, Problem> {
    let (days, rest) = read_date(text).ok_or(NOT_A_DATE)?;
    if !rest.is_empty() {
        return Err("holds more than a date, which the column would lose; declare the column as timestamp");
    }
    if days < FIRST_DAY {
        return Err(TOO_EARLY);
    }
    i32::try_from(days).map_err(|_| NOT_A_DATE)
}

/// Reads `12:30:00.5`; returns the microseconds of the day.
pub(super) fn time(text: &str) -> Result<i64, Problem> {
    match read_time(text).ok_or(NOT_A_TIME)? {
        (time, "") => time.ok_or(TOO_FINE),
        _ => Err(NOT_A_TIME),
    }
}

/// Reads `2024-01-31T12:30:00`; returns the microseconds since the server's epoch.
pub(super) fn timestamp(text: &str) -> Result<i64, Problem> {
    let moment = Moment::read(text)?;
    match moment.offset {
        None => Ok(moment.microseconds),
        Some(_) => {
            Err("holds an offset from UTC, which the column would lose; declare the column as timestamptz")
        }
    }
}

/// Reads `2024-01-31T12:30:00Z` or `2024-01-31T12:30:00+02:00`; returns the microseconds since the server's epoch.
pub(super) fn timestamp_with_offset(text: &str) -> Result<i64, Problem> {
    let moment = Moment::read(text)?;
    match moment.offset {
        None => Err("names no offset from UTC: end it with `Z`, or declare the column as timestamp"),
        Some(offset) => {
            let microseconds = moment.microseconds - offset * SECOND;
            if microseconds < FIRST_DAY * DAY { Err(TOO_EARLY) } else { Ok(microseconds) }
        }
    }
}

impl Moment {
    fn read(text: &str) -> Result<Self, Problem> {
        let (days, rest) = read_date(text).ok_or(NOT_A_MOMENT)?;
        let rest = rest.strip_prefix(['T', 't', ' ']).ok_or(NOT_A_MOMENT)?;
        let (time, rest) = read_time(rest).ok_or(NOT_A_MOMENT)?;
        let offset = match rest {
            "" => None,
            "Z" | "z" => Some(0),
            _ => Some(read_offset(rest).ok_or(NOT_A_MOMENT)?),
        };
        if days < FIRST_DAY {
            return Err(TOO_EARLY);
        }
        Ok(Self { microseconds: days * DAY + time.ok_or(TOO_FINE)?, offset })
    }
}

/// Reads a number of exactly that many digits.
fn number(text: &str, digits: usize) -> Option<(i64, &str)> {
    let (number, rest) = text.split_at_checked(digits)?;
    number.bytes().all(|digit| digit.is_ascii_digit()).then_some(())?;
    Some((number.parse().ok()?, rest))
}

/// Reads a year of four digits, or of six with a sign, a month and a day; returns the days since the server's epoch.
fn read_date(text: &str) -> Option<(i64, &str)> {
    let (year, rest) = match text.strip_prefix('-') {
        Some(rest) => {
            let (year, rest) = number(rest, 6)?;
            (-year, rest)
        }
        None => match text.strip_prefix('+') {
            Some(rest) => number(rest, 6)?,
            None => number(text, 4)?,
        },
    };
    let (month, rest) = number(rest.strip_prefix('-')?, 2)?;
    let (day, rest) = number(rest.strip_prefix('-')?, 2)?;
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 => 28 + i64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    (1..=length).contains(&day).then_some((days(year, month, day), rest))
}

/// Counts the days since the server's epoch in the Gregorian calendar, which is applied to all earlier dates too.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // A year that begins in March ends with the leap day.
    let year = if month < 3 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let before_month = (month * 153 + 2) / 5;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + before_month + day
        - 1
        - EPOCH
}

/// Reads hours, minutes, seconds and perhaps a fraction; returns the microseconds of the day, or `None` in their place
/// if the fraction is finer than microseconds.
fn read_time(text: &str) -> Option<(Option<i64>, &str)> {
    let (hour, rest) = number(text, 2)?;
    let (minute, rest) = number(rest.strip_prefix(':')?, 2)?;
    let (second, rest) = number(rest.strip_prefix(':')?, 2)?;
    (hour < 24 && minute < 60 && second < 60).then_some(())?;
    let whole = ((hour * 60 + minute) * 60 + second) * SECOND;
    let Some(rest) = rest.strip_prefix('.') else { return Some((Some(whole), rest)) };
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (fraction, rest) = rest.split_at(end);
    if fraction.is_empty() {
        return None;
    }
    let microseconds = (0..6).fold(0, |value, at| {
        value * 10 + fraction.as_bytes().get(at).map_or(0, |digit| i64::from(digit - b'0'))
    });
    let is_exact = fraction.bytes().skip(6).all(|digit| digit == b'0');
    Some((is_exact.then_some(whole + microseconds), rest))
}

/// Reads `+02:00`, `-0530`, `+02` or `+01:23:45`; returns the seconds.
fn read_offset(text: &str) -> Option<i64> {
    let (sign, rest) = match text.as_bytes().first()? {
        b'+' => (1, &text[1..]),
        b'-' => (-1, &text[1..]),
        _ => return None,
    };
    let (hours, mut rest) = number(rest, 2)?;
    let mut seconds = hours * 3600;
    for unit in [60, 1] {
        if rest.is_empty() {
            break;
        }
        let (value, after) = number(rest.strip_prefix(':').unwrap_or(rest), 2)?;
        (value < 60).then_some(())?;
        seconds += value * unit;
        rest = after;
    }
    (rest.is_empty() && hours < 26).then_some(sign * seconds)
}

#[cfg(test)]
mod tests {
    use jiff::civil;

    use super::*;

    #[test]
    fn days_are_counted_as_a_calendar_counts_them() {
        let epoch = civil::date(2000, 1, 1);
        for days in (-2_451_545..2_900_000).step_by(97) {
            let date_ = epoch + jiff::Span::new().days(days);
            assert_eq!(date(&date_.to_string()), Ok(days), "{date_}");
        }
        assert_eq!(date("2000-02-29"), Ok(59));
    }

    #[test]
    fn a_text_that_is_not_wholly_a_date_is_refused() {
        for text in [
            "",
            "2024-1-31",
            "2023-02-29",
            "2024-13-01",
            "2024-00-10",
            "24-01-31",
            "2024/01/31",
            "٢٠٢٤-01-31",
        ] {
            assert_eq!(date(text), Err(NOT_A_DATE), "{text}");
        }
        assert!(date("2024-01-31T00:00:00").unwrap_err().contains("more than a date"));
        assert_eq!(date("-004713-11-23"), Err(TOO_EARLY));
        assert_eq!(date("-004713-11-24"), Ok(-2_451_545));
    }

    #[test]
    fn a_time_is_exact_to_the_microsecond_or_refused() {
        assert_eq!(time("00:00:01.5"), Ok(1_500_000));
        assert_eq!(time("23:59:59.999999000"), Ok(DAY - 1));
        assert_eq!(time("12:00:00.0000001"), Err(TOO_FINE));
        for text in ["24:00:00", "12:60:00", "12:00:60", "12:00", "12:00:00.", "12:00:00Z"] {
            assert_eq!(time(text), Err(NOT_A_TIME), "{text}");
        }
    }

    #[test]
    fn a_fraction_that_the_column_would_round_is_refused() {
        assert_eq!(exact(-1_500_000, 1), Ok(-1_500_000));
        assert_eq!(exact(1, 6), Ok(1));
        assert!(exact(1, 5).is_err() && exact(500_000, 0).is_err());
    }

    #[test]
    fn an_offset_is_neither_lost_nor_made_up() {
        assert_eq!(timestamp("2000-01-01T00:00:01"), Ok(SECOND));
        assert_eq!(timestamp("2000-01-01 00:00:01"), Ok(SECOND));
        assert!(timestamp("2000-01-01T00:00:01Z").unwrap_err().contains("an offset"));
        assert_eq!(timestamp_with_offset("2000-01-01T00:00:01Z"), Ok(SECOND));
        assert_eq!(timestamp_with_offset("2000-01-01T02:00:01+02:00"), Ok(SECOND));
        assert_eq!(timestamp_with_offset("1999-12-31T23:59:59-00:00:02"), Ok(SECOND));
        assert!(timestamp_with_offset("2000-01-01T00:00:01").unwrap_err().contains("no offset"));
        assert_eq!(timestamp_with_offset("2000-01-01T00:00:01+01:00[Europe/Berlin]"), Err(NOT_A_MOMENT));
        assert_eq!(timestamp_with_offset("2000-01-01T00:00:01+1:00"), Err(NOT_A_MOMENT));
    }
}
