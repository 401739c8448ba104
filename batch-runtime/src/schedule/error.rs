//! The error of schedules: why a schedule cannot be followed.

/// Why a schedule cannot be followed. `#[job]` finds these mistakes at compile time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScheduleError {
    /// The job has no schedule.
    #[error("job `{0}` has no schedule; write `#[job(schedule(\"0 3 * * MON\", zone = \"Asia/Seoul\"))]`")]
    NoSchedule(String),
    /// The expression cannot be parsed.
    #[error("`{expression}` is not a cron expression: {what}")]
    Expression {
        /// The expression.
        expression: String,
        /// The parser's message.
        what: String,
    },
    /// There is no such time zone.
    #[error("there is no time zone `{0}`; an IANA name is expected, such as `Asia/Seoul`")]
    Zone(String),
}
