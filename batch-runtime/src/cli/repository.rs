//! Opens the repository that `--repository` or the environment names.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;

use super::console::Console;
use crate::definition::resource_name;
use crate::frontend::refusal::Refusal;
use crate::repository::Repository;
use crate::repository::sqlite::SqliteRepository;

/// The path if neither the flag nor the environment names one.
const DEFAULT: &str = "batch.db";

/// Whether a missing repository is created or is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Open {
    /// Creates it, for a run.
    OrCreate,
    /// Fails, for commands that only look.
    Existing,
}

/// Opens the repository named by the flag or the environment.
pub(super) fn open(
    flag: Option<&OsStr>,
    console: &Console,
    how: Open,
) -> Result<Arc<dyn Repository>, Refusal> {
    let url = url(flag, console);
    if let Some(url) = url.to_str().filter(|url| is_postgres(url)) {
        return open_postgres(url, how);
    }
    let path = path_of(&url)?;
    if how == Open::Existing && !path.exists() {
        return Err(Refusal::usage(format!(
            "there is no repository {}: `run` creates it, and `--repository` selects another",
            resource_name(path)
        )));
    }
    let repository = match how {
        Open::OrCreate => SqliteRepository::open(path)?,
        Open::Existing => SqliteRepository::open_existing(path)?,
    };
    Ok(Arc::new(repository))
}

/// Opens the repository named by the flag or the environment, if there is one.
#[cfg(feature = "schedule")]
pub(super) fn open_if_any(
    flag: Option<&OsStr>,
    console: &Console,
) -> Result<Option<Arc<dyn Repository>>, Refusal> {
    let url = url(flag, console);
    if !url.to_str().is_some_and(is_postgres) && !path_of(&url)?.exists() {
        return Ok(None);
    }
    open(flag, console, Open::Existing).map(Some)
}

/// The path or URL of the repository.
pub(super) fn url(flag: Option<&OsStr>, console: &Console) -> OsString {
    let named = flag.map(OsStr::to_owned);
    let named = named.or_else(|| (console.environment)("BATCH_REPOSITORY").filter(|url| !url.is_empty()));
    named.unwrap_or_else(|| DEFAULT.into())
}

/// The path or URL, made absolute so that a process in another folder finds the repository.
pub(super) fn absolute(flag: Option<&OsStr>, console: &Console) -> Result<OsString, Refusal> {
    let url = url(flag, console);
    if url.to_str().is_some_and(is_postgres) {
        return Ok(url);
    }
    let path = std::path::absolute(path_of(&url)?);
    path.map(Into::into)
        .map_err(|error| Refusal::usage(format!("the folder of the repository is unknown: {error}")))
}

pub(super) fn is_postgres(url: &str) -> bool {
    ["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme))
}

#[cfg(feature = "postgres")]
fn open_postgres(url: &str, how: Open) -> Result<Arc<dyn Repository>, Refusal> {
    use crate::postgres::Postgres;
    use crate::repository::postgres::PostgresRepository;

    let database = Postgres::at(url);
    let repository = match how {
        Open::OrCreate => PostgresRepository::open(&database)?,
        Open::Existing => PostgresRepository::open_existing(&database)?,
    };
    Ok(Arc::new(repository))
}

#[cfg(not(feature = "postgres"))]
fn open_postgres(_: &str, _: Open) -> Result<Arc<dyn Repository>, Refusal> {
    // The text after the scheme may contain a password.
    Err(Refusal::usage(
        "this program cannot use a repository in PostgreSQL: build it with the feature `postgres` of batch-runtime, or use a SQLite file, such as `--repository batch.db`",
    ))
}

fn path_of(url: &OsStr) -> Result<&Path, Refusal> {
    let bytes = url.as_bytes();
    let path = bytes.strip_prefix(b"sqlite://").or_else(|| bytes.strip_prefix(b"sqlite:")).unwrap_or(bytes);
    let scheme = path.windows(3).position(|three| three == b"://").map(|end| &path[..end]);
    match scheme.and_then(|scheme| str::from_utf8(scheme).ok()) {
        // The text after the scheme may contain a password.
        Some(scheme) if scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c)) => {
            Err(Refusal::usage(format!(
                "`{scheme}` repositories are not supported; use a SQLite file, such as `--repository batch.db`, or `postgres://…`"
            )))
        }
        _ if path.is_empty() => {
            Err(Refusal::usage("`--repository` needs a path, such as `--repository batch.db`"))
        }
        _ => Ok(Path::new(OsStr::from_bytes(path))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_may_have_a_scheme_or_none() {
        for url in ["a b.db", "sqlite:a b.db", "sqlite://a b.db"] {
            assert_eq!(path_of(url.as_ref()).unwrap(), Path::new("a b.db"));
        }
    }

    #[test]
    fn an_unknown_scheme_is_named_and_its_password_is_hidden() {
        let refusal = path_of("mysql://me:hunter2@host/db".as_ref()).unwrap_err();
        assert_eq!(refusal.code, 2);
        assert_eq!(
            refusal.to_string(),
            "`mysql` repositories are not supported; use a SQLite file, such as `--repository batch.db`, or `postgres://…`"
        );
    }

    #[test]
    fn the_path_of_a_repository_need_not_be_utf_8() {
        let url = OsStr::from_bytes(b"sqlite:\xff.db");
        assert_eq!(path_of(url).unwrap(), Path::new(OsStr::from_bytes(b"\xff.db")));
    }
}
