//! The crash contract of a repository as code: every kind of repository passes these tests.
//!
//! A test is a function of a [`Place`](place::Place), and the list at the top of its file runs it with each kind. Tests
//! of steps whose rows go to another database are functions of two places, and run with each pair of kinds. The tests
//! in `on_postgres` are about what only a server can do to a repository. Tests of what only a file can do are next to
//! the code for files.

/// Runs each test with each kind of place.
macro_rules! every_kind {
    ($($test:ident),* $(,)?) => {
        mod sqlite {
            $(#[test] fn $test() { crate::place::give(super::$test::<crate::sqlite::File>); })*
        }
        #[cfg(feature = "postgres")]
        mod postgres {
            $(#[test] fn $test() { crate::place::give(super::$test::<crate::postgres::Schema>); })*
        }
    };
}

/// Runs each test with each pair of kinds: that of the repository, and that of the other database.
macro_rules! every_pair {
    ($($test:ident),* $(,)?) => {
        every_pair!(sqlite_and_sqlite, sqlite::File, sqlite::File, [$($test)*]);
        #[cfg(feature = "postgres")]
        every_pair!(sqlite_and_postgres, sqlite::File, postgres::Schema, [$($test)*]);
        #[cfg(feature = "postgres")]
        every_pair!(postgres_and_sqlite, postgres::Schema, sqlite::File, [$($test)*]);
        #[cfg(feature = "postgres")]
        every_pair!(postgres_and_postgres, postgres::Schema, postgres::Schema, [$($test)*]);
    };
    ($module:ident, $here:ident::$Here:ident, $there:ident::$There:ident, [$($test:ident)*]) => {
        mod $module {
            $(#[test] fn $test() {
                crate::place::give_two(super::$test::<crate::$here::$Here, crate::$there::$There>);
            })*
        }
    };
}

mod place;
#[cfg(feature = "postgres")]
mod postgres;
mod sqlite;
mod support;
mod warehouse;

mod chunks;
mod contexts;
mod flights;
mod launch;
#[cfg(feature = "postgres")]
mod on_postgres;
mod opening;
mod other_database;
mod outlooks;
mod pages;
mod partitions;
mod processes;
mod purging;
mod queries;
mod running;
mod schedules;
mod skipped;
mod steps;
mod workers;
