//! [`TimeLimit`], the type of arguments that say how long something may take.

use std::time::Duration;

/// A time limit: a [`Duration`], or a string such as `"5m"`.
///
/// ```
/// use batch_runtime::TimeLimit;
/// use std::time::Duration;
///
/// assert_eq!("1h 30m".duration(), Ok(Duration::from_mins(90)));
/// assert!("soon".duration().is_err());
/// ```
pub trait TimeLimit {
    /// Returns the time, or a message that says what is wrong with the string.
    ///
    /// # Errors
    /// If the string is not a time.
    fn duration(self) -> Result<Duration, String>;
}

impl TimeLimit for Duration {
    fn duration(self) -> Result<Duration, String> {
        Ok(self)
    }
}

impl TimeLimit for &str {
    fn duration(self) -> Result<Duration, String> {
        let parsed = self.parse::<jiff::SignedDuration>().ok();
        parsed
            .and_then(|span| Duration::try_from(span).ok())
            .filter(|limit| !limit.is_zero())
            .ok_or_else(|| format!("`{self}` is not a time limit such as `\"5m\"` or `\"500ms\"`"))
    }
}
