//! Decides which responses are worth another request, and how long to wait before it.

use std::time::Duration;

use jiff::Timestamp;

use super::message::values;
use crate::definition::Backoff;

/// The longest wait before the second attempt; this limit doubles with each attempt.
const FIRST_WAIT: Duration = Duration::from_millis(200);

/// How often a request is retried, and how long to wait before each retry.
#[derive(Debug, Clone, Copy)]
pub(super) struct Retry {
    /// The number of attempts after the first.
    pub(super) limit: u32,
    /// The longest wait.
    pub(super) longest: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self { limit: 5, longest: Duration::from_secs(30) }
    }
}

impl Retry {
    /// The wait before another attempt; `repeat` is 0 for the second attempt.
    pub(super) fn wait(self, repeat: u32, random: f64) -> Duration {
        let backoff = Backoff::Exponential {
            first: FIRST_WAIT.min(self.longest),
            max: Some(self.longest),
            jitter: true,
        };
        backoff.delay(repeat, random)
    }
}

/// Returns whether a later request may have another answer.
pub(super) fn is_worth_another(status: u16) -> bool {
    matches!(status, 408 | 429 | 500..=599)
}

/// The meaning of the status, for the user.
pub(super) fn meaning(status: u16) -> &'static str {
    match status {
        400 | 422 => "the server does not accept the parameters",
        401 => "the server does not accept the credentials: check them",
        403 => "the server does not allow this request: check the credentials and their rights",
        404 | 410 => "there is nothing at this address: check the base address, the path and the parameters",
        408 => "the server waited too long for the request",
        429 => "the server asks for fewer requests",
        500 => "the server failed",
        503 => "the server is too busy",
        502 | 504 => "the gateway gets no answer from the server",
        300..=399 => "the server redirects the request",
        200..=299 => "the server sends no page",
        _ => "the server refuses the request",
    }
}

/// The wait that `Retry-After` asks for: a number of seconds, or a date.
pub(super) fn retry_after(headers: &[(String, String)], now: Timestamp) -> Option<Duration> {
    let asked = values(headers, "retry-after").next()?;
    if let Ok(seconds) = asked.parse() {
        return Some(Duration::from_secs(seconds));
    }
    // Use the time of the server's own clock if the answer states it.
    let now = values(headers, "date").next().and_then(date).unwrap_or(now);
    let wait = date(asked)?.duration_since(now);
    Some(Duration::try_from(wait).unwrap_or_default())
}

fn date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(headers: &[(&str, &str)]) -> Option<Duration> {
        let headers: Vec<_> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        retry_after(&headers, "2024-01-31T12:00:00Z".parse().unwrap())
    }

    #[test]
    fn the_server_may_ask_for_seconds_or_name_a_date() {
        let at = "Wed, 31 Jan 2024 12:00:07 GMT";
        assert_eq!(of(&[("Retry-After", "7")]), Some(Duration::from_secs(7)));
        assert_eq!(of(&[("retry-after", at)]), Some(Duration::from_secs(7)));
        assert_eq!(
            of(&[("retry-after", at), ("date", "Wed, 31 Jan 2024 12:00:05 GMT")]),
            Some(Duration::from_secs(2))
        );
        assert_eq!(of(&[("retry-after", "Wed, 31 Jan 2024 11:00:00 GMT")]), Some(Duration::ZERO));
        for asked in ["soon", "-1", "1.5", ""] {
            assert_eq!(of(&[("retry-after", asked)]), None, "{asked}");
        }
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn a_wait_is_a_random_part_of_a_limit_that_grows_to_the_longest_wait() {
        let retry = Retry { limit: 9, longest: Duration::from_secs(1) };
        let waits: Vec<u128> = (0..5).map(|repeat| retry.wait(repeat, 1.0).as_millis()).collect();
        assert_eq!(waits, [200, 400, 800, 1_000, 1_000]);
        assert_eq!(retry.wait(1, 0.25).as_millis(), 100);
    }
}
