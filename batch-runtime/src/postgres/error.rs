//! [`PgError`] says what went wrong, in one line that never contains a password.

use std::error::Error;
use std::fmt;

use tokio_postgres::error::{DbError, SqlState};

use super::Explain;
use crate::definition::BoxError;

/// The maximum length of the part of a statement that a message shows.
const SHOWN: usize = 80;

/// An error of a `PostgreSQL` database.
///
/// It prints as one line: the server's message, its detail and hint, the SQLSTATE, and the beginning of the statement.
/// It never holds a password.
///
/// ```
/// use batch_runtime::postgres::PgError;
///
/// fn is_a_duplicate(error: &PgError) -> bool {
///     error.code() == Some("23505")
/// }
/// ```
pub struct PgError(Box<Parts>);

struct Parts {
    kind: Kind,
    /// The statement, shortened.
    statement: Option<String>,
    /// The database, if the error is about the database as a whole.
    place: Option<String>,
    /// The remedy.
    remedy: Option<&'static str>,
}

enum Kind {
    /// The server or the driver reported it.
    Driver(tokio_postgres::Error),
    /// The connection is lost, with its last error, if any.
    Closed(Option<tokio_postgres::Error>),
    /// The server could not be reached.
    Unreachable(String, Option<std::io::Error>),
    /// The server does not answer.
    Silent(&'static str),
    /// The caller misused the session.
    Misuse(String),
    /// The program was asked to stop while a statement was running.
    Stopped,
    /// An error of the component that sent the statement. Its source is the server's error.
    Explained(BoxError),
}

impl PgError {
    fn new(kind: Kind) -> Self {
        Self(Box::new(Parts { kind, statement: None, place: None, remedy: None }))
    }

    pub(super) fn driver(error: tokio_postgres::Error) -> Self {
        Self::new(if error.is_closed() { Kind::Closed(None) } else { Kind::Driver(error) })
    }

    pub(super) fn closed(last_error: Option<tokio_postgres::Error>) -> Self {
        Self::new(Kind::Closed(last_error))
    }

    pub(super) fn unreachable(why: impl Into<String>, error: Option<std::io::Error>) -> Self {
        Self::new(Kind::Unreachable(why.into(), error))
    }

    pub(super) fn silent(what: &'static str) -> Self {
        Self::new(Kind::Silent(what))
    }

    pub(crate) fn misuse(message: impl Into<String>) -> Self {
        Self::new(Kind::Misuse(message.into()))
    }

    pub(super) fn stopped() -> Self {
        Self::new(Kind::Stopped)
    }

    /// Names the statement, unless one is named already.
    pub(super) fn in_statement(mut self, statement: &str) -> Self {
        self.0.statement.get_or_insert_with(|| shortened(statement));
        self
    }

    /// Lets the component that sent the statement explain the server's error.
    pub(super) fn explained(self, explain: Option<Explain>) -> Self {
        match explain {
            // A lost connection says nothing about the statement.
            Some(explain) if self.server().is_some() && !self.is_connection() => {
                Self::new(Kind::Explained(explain(self)))
            }
            _ => self,
        }
    }

    /// Whether the component that sent the statement has explained the error.
    pub(crate) fn is_explained(&self) -> bool {
        matches!(self.0.kind, Kind::Explained(_))
    }

    /// Leaves out the statement, for an error that is clearer without it.
    pub(crate) fn without_statement(mut self) -> Self {
        self.0.statement = None;
        self
    }

    /// The server's error, to which the component has added its explanation.
    fn explained_error(&self) -> Option<&Self> {
        let Kind::Explained(error) = &self.0.kind else { return None };
        let mut source = error.source();
        while let Some(error) = source {
            if let Some(found) = error.downcast_ref() {
                return Some(found);
            }
            source = error.source();
        }
        None
    }

    /// Names the database.
    pub(super) fn of_database(mut self, place: &str) -> Self {
        self.0.place.get_or_insert_with(|| place.to_owned());
        self
    }

    /// Leaves out the database, for a message that already names it.
    pub(crate) fn without_database(mut self) -> Self {
        self.0.place = None;
        self
    }

    /// Says what to do.
    pub(super) fn remedied(mut self, remedy: &'static str) -> Self {
        self.0.remedy.get_or_insert(remedy);
        self
    }

    fn cause(&self) -> Option<&tokio_postgres::Error> {
        match &self.0.kind {
            Kind::Driver(error) | Kind::Closed(Some(error)) => Some(error),
            Kind::Explained(_) => self.explained_error().and_then(Self::cause),
            _ => None,
        }
    }

    /// The server's own error with all its fields, if the server refused.
    #[must_use]
    pub fn server(&self) -> Option<&DbError> {
        self.cause().and_then(tokio_postgres::Error::as_db_error)
    }

    /// The SQLSTATE, such as `23505`, if the server refused.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.server().map(|error| error.code().code())
    }

    /// The constraint that was violated.
    #[must_use]
    pub fn constraint(&self) -> Option<&str> {
        self.server().and_then(DbError::constraint)
    }

    /// The table that the error is about.
    #[must_use]
    pub fn table(&self) -> Option<&str> {
        self.server().and_then(DbError::table)
    }

    /// Whether the connection or the server is at fault, not the statement: the same statement may succeed later.
    #[must_use]
    pub fn is_connection(&self) -> bool {
        match &self.0.kind {
            Kind::Closed(_) | Kind::Unreachable(..) | Kind::Silent(_) => true,
            Kind::Driver(error) => match error.code() {
                Some(code) => {
                    ["08", "53", "57P", "58", "XX"].iter().any(|class| code.code().starts_with(class))
                }
                None => error.source().is_some_and(<dyn Error>::is::<std::io::Error>),
            },
            Kind::Explained(_) => self.explained_error().is_some_and(Self::is_connection),
            Kind::Misuse(_) | Kind::Stopped => false,
        }
    }

    /// Whether the server did not answer at all.
    pub(crate) fn is_silent(&self) -> bool {
        matches!(self.0.kind, Kind::Silent(_))
    }

    /// Whether the server asks for the transaction to be repeated: a serialization failure or a deadlock.
    #[must_use]
    pub fn is_serialization(&self) -> bool {
        matches!(self.code(), Some("40001" | "40P01"))
    }

    /// Whether the statement was cancelled because the program was asked to stop.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        matches!(self.0.kind, Kind::Stopped)
    }

    /// Whether a prepared statement is out of date.
    pub(super) fn is_stale_statement(&self) -> bool {
        let code = self.server().map(DbError::code);
        code == Some(&SqlState::INVALID_SQL_STATEMENT_NAME)
            || (code == Some(&SqlState::FEATURE_NOT_SUPPORTED)
                && self.server().is_some_and(|error| error.message().contains("cached plan")))
    }
}

/// For errors of the driver, such as that of [`Row::try_get`](super::Row::try_get).
impl From<tokio_postgres::Error> for PgError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::driver(error)
    }
}

impl Error for PgError {
    /// The error of the network, or of the writer that sent the statement. An error of the server is not a source,
    /// because the message already contains all of it; [`server`](Self::server) returns it.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0.kind {
            Kind::Unreachable(_, Some(error)) => Some(error),
            Kind::Explained(error) => Some(&**error),
            _ => self.cause().and_then(Error::source).filter(|error| error.is::<std::io::Error>()),
        }
    }
}

impl fmt::Display for PgError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        if let Some(place) = &self.0.place {
            text.extend(["database ", place, ": "]);
        }
        text += &self.what();
        if let Some(statement) = &self.0.statement {
            text.extend([", in `", statement, "`"]);
        }
        if let Some(remedy) = self.0.remedy {
            text.extend(["; ", remedy]);
        }
        f.write_str(&one_line(&text))
    }
}

impl PgError {
    fn what(&self) -> String {
        match &self.0.kind {
            Kind::Misuse(message) => message.clone(),
            Kind::Explained(error) => error.to_string(),
            Kind::Stopped => "the statement was cancelled, because the job was asked to stop".to_owned(),
            Kind::Unreachable(why, Some(error)) => format!("{why}: {error}"),
            Kind::Unreachable(why, None) => why.clone(),
            Kind::Silent(what) => (*what).to_owned(),
            Kind::Closed(None) => "the connection to the server is lost".to_owned(),
            Kind::Closed(Some(error)) => {
                format!("the connection to the server is lost: {}", driver_text(error))
            }
            Kind::Driver(error) => driver_text(error),
        }
    }
}

fn driver_text(error: &tokio_postgres::Error) -> String {
    let Some(server) = error.as_db_error() else {
        return match error.source() {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
    };
    let mut text = server.message().to_owned();
    for more in [server.detail(), server.hint()].into_iter().flatten() {
        text.extend([": ", more.trim_end_matches('.')]);
    }
    text + &format!(" (SQLSTATE {})", server.code().code())
}

impl fmt::Debug for PgError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PgError({:?})", self.to_string())
    }
}

/// The beginning of a statement, on one line and without any password that the statement sets.
fn shortened(statement: &str) -> String {
    let mut line = one_line(statement);
    if let Some(at) = line.to_ascii_lowercase().find("password ") {
        line.truncate(at + "password".len());
        line.push('…');
    }
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_and_names_the_statement_in_short() {
        let long = format!("INSERT INTO t\n  VALUES ({})", "1, ".repeat(100));
        let text = PgError::misuse("wrong\nway").in_statement(&long).to_string();
        assert!(text.starts_with("wrong way, in `INSERT INTO t VALUES (1, "), "{text}");
        assert!(text.ends_with("…`") && text.chars().count() < 120, "{text}");
    }

    #[test]
    fn a_password_in_a_statement_is_not_shown() {
        let text = PgError::misuse("no").in_statement("ALTER ROLE me PASSWORD 'hunter2' VALID").to_string();
        assert_eq!(text, "no, in `ALTER ROLE me PASSWORD…`");
    }

    #[test]
    fn a_lost_connection_is_not_the_fault_of_the_statement() {
        assert!(PgError::closed(None).is_connection());
        assert!(PgError::unreachable("no route", None).is_connection());
        assert!(PgError::silent("no answer").is_connection());
        assert!(!PgError::stopped().is_connection());
        assert!(!PgError::misuse("wrong").is_connection());
    }
}
