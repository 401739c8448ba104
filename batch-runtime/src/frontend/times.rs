//! Times as people type and read them: a moment, how long ago it was, a duration.

use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::observe::words;

/// A time as typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TypedTime {
    At(Timestamp),
    /// This long ago.
    Ago(Duration),
}

impl TypedTime {
    /// The time that was typed; `Ago` counts back from `now`.
    pub(crate) fn at(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(time) => time,
            Self::Ago(duration) => {
                let earlier =
                    SignedDuration::try_from(duration).ok().and_then(|ago| now.checked_sub(ago).ok());
                earlier.unwrap_or(Timestamp::MIN)
            }
        }
    }
}

/// Parses a time. Without an offset it is in UTC, like all times that are printed.
pub(crate) fn time(text: &str) -> Result<TypedTime, String> {
    let at = text.parse::<Timestamp>().ok().or_else(|| {
        let time = text.parse::<DateTime>().ok()?;
        Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
    });
    let ago = || match text.strip_suffix('d').map(str::parse::<u64>) {
        Some(days) => days.ok()?.checked_mul(86_400).map(Duration::from_secs),
        None => duration(text).ok(),
    };
    at.map(TypedTime::At).or_else(|| ago().map(TypedTime::Ago)).ok_or_else(|| {
        "expected a time in UTC such as 2026-11-28T18:30, a day such as 2026-11-28, or a duration such as 90m, 2h or 7d, meaning that long ago"
            .to_owned()
    })
}

/// A duration such as `90s`, `5m` or `1h`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => 0,
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(seconds))
        .filter(|_| seconds > 0)
        .map(Duration::from_secs)
        .ok_or_else(|| "expected a duration such as 90s, 5m or 1h".to_owned())
}

/// `2024-01-31 08:30:05`, in UTC.
pub(crate) fn moment(timestamp: Timestamp) -> String {
    let time = jiff::tz::TimeZone::UTC.to_datetime(timestamp);
    format!("{} {:02}:{:02}:{:02}", time.date(), time.hour(), time.minute(), time.second())
}

/// The time from then to now.
pub(crate) fn since(then: Timestamp, now: Timestamp) -> String {
    words::time(words::between(then, now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_moment_a_day_or_how_long_ago_it_was() {
        let at = |text: &str| {
            time(text).map(|typed| typed.at("2026-11-28T12:00:00Z".parse().unwrap()).to_string())
        };
        for (text, expected) in [
            ("2026-11-28T18:30", "2026-11-28T18:30:00Z"),
            ("2026-11-28 18:30:05", "2026-11-28T18:30:05Z"),
            ("2026-11-28", "2026-11-28T00:00:00Z"),
            ("2026-11-28T18:30+09:00", "2026-11-28T09:30:00Z"),
            ("2h", "2026-11-28T10:00:00Z"),
            ("7d", "2026-11-21T12:00:00Z"),
        ] {
            assert_eq!(at(text).as_deref(), Ok(expected), "{text}");
        }
        for text in ["", "yesterday", "2", "2026-13-01"] {
            assert!(at(text).unwrap_err().starts_with("expected a time in UTC such as "), "{text}");
        }
    }

    #[test]
    fn a_duration_has_a_number_and_a_unit() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("5m"), Ok(Duration::from_mins(5)));
        assert_eq!(duration("1h"), Ok(Duration::from_hours(1)));
        for text in ["", "5", "s", "-1s", "1.5s", "1d", "99999999999999999999h"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
