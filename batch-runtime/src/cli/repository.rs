//! Receives: what `--repository` says. Gives: the repository, opened.

use std::path::Path;
use std::sync::Arc;

use super::console::Console;
use super::refusal::Refusal;
use crate::repository::Repository;
use crate::repository::sqlite::SqliteRepository;

/// What holds where nobody says anything.
const DEFAULT: &str = "batch.db";

/// May the repository be made?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Open {
    /// A run makes it.
    OrCreate,
    /// Who only looks does not.
    Existing,
}

/// Opens the repository that the command line or the environment names.
pub(super) fn open(flag: Option<&str>, console: &Console, how: Open) -> Result<Arc<dyn Repository>, Refusal> {
    let named = match flag {
        Some(url) => Some(url.to_owned()),
        None => console.variable("BATCH_REPOSITORY")?.filter(|url| !url.is_empty()),
    };
    let url = named.unwrap_or_else(|| DEFAULT.to_owned());
    let path = path_of(&url)?;
    if how == Open::Existing && !Path::new(path).exists() {
        return Err(Refusal::usage(format!(
            "there is no repository {path}: `run` makes one, and `--repository` names another"
        )));
    }
    let repository = match how {
        Open::OrCreate => SqliteRepository::open(path)?,
        Open::Existing => SqliteRepository::open_existing(path)?,
    };
    Ok(Arc::new(repository))
}

fn path_of(url: &str) -> Result<&str, Refusal> {
    let path = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:")).unwrap_or(url);
    match path.split_once("://") {
        // What stands behind the scheme may hold a password.
        Some(("postgres" | "postgresql", _)) => Err(Refusal::usage(
            "a repository in PostgreSQL needs the feature `postgres` of batch-runtime, which this program was built without; give a SQLite file, as `--repository batch.db`",
        )),
        Some((scheme, _)) if scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c)) => {
            Err(Refusal::usage(format!(
                "`{scheme}` is no kind of repository that this program knows; give a SQLite file, as `--repository batch.db`"
            )))
        }
        _ if path.is_empty() => {
            Err(Refusal::usage("`--repository` needs a path, as `--repository batch.db`"))
        }
        _ => Ok(path),
    }
}

#[cfg(test)]
mod tests {
    use super::path_of;

    #[test]
    fn a_path_may_stand_alone_or_behind_its_kind() {
        for url in ["a b.db", "sqlite:a b.db", "sqlite://a b.db"] {
            assert_eq!(path_of(url).unwrap(), "a b.db");
        }
    }

    #[test]
    fn a_kind_that_is_not_compiled_in_names_the_feature_and_hides_the_password() {
        let refusal = path_of("postgres://me:hunter2@host/db").unwrap_err();
        assert_eq!(refusal.code, 2);
        let text = refusal.to_string();
        assert!(text.contains("feature `postgres`") && !text.contains("hunter2"), "{text}");
    }
}
