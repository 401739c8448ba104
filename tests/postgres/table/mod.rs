//! Rows of serde types in tables of `PostgreSQL`: what is written reads back, and errors name the item at fault.

mod any;
mod culprits;
mod everything;
mod inserting;
mod jobs;
mod refused;
mod remedies;
mod round_trip;
mod upserts;
mod values;

use batch_runtime::postgres::{Postgres, Session, Transaction};
use batch_runtime::writers::{PostgresTable, PostgresWriteError};
use batch_runtime::{ChunkTransaction, Failure, OpenTransaction as _, Writer as _};
use batch_tests::postgres;

use crate::transaction::GUARD;

/// Where rows are written.
struct Place {
    tx: Transaction,
    database: postgres::Database,
}

impl Place {
    /// A database with these tables; `None` without a server.
    fn with(tables: &str) -> Option<Self> {
        Self::at("statements=named", tables)
    }

    fn at(option: &str, tables: &str) -> Option<Self> {
        let database = postgres::database()?;
        let session = Session::connect(&Postgres::at(database.url_with(option)), "a test").unwrap();
        session.batch_execute(tables).unwrap();
        Some(Self { tx: Transaction::on(session), database })
    }

    /// Writes in one transaction, and commits it.
    fn write<T>(&self, writer: &mut PostgresTable<T>, items: &[T]) -> Result<(), Failure> {
        self.tx.begin("7", false).unwrap();
        let written = writer.write(items, &ChunkTransaction::other(&self.tx)).map_err(Failure::new);
        if written.is_err() {
            self.tx.give_up().unwrap();
            return written;
        }
        let committed = self.tx.session().commit_after(GUARD, &[]);
        committed.map(|_| ()).map_err(|error| Failure::new(error.into_error()))
    }

    /// Like [`write`](Self::write), but returns the text of the error, which must be one of the writer's.
    fn refused<T>(&self, writer: &mut PostgresTable<T>, items: &[T]) -> String {
        let failure = self.write(writer, items).unwrap_err();
        assert!(failure.find::<PostgresWriteError>().is_some(), "{failure:?}");
        failure.to_string()
    }

    /// The numbers that a query returns.
    fn numbers(&self, query: &str) -> Vec<i64> {
        self.tx.session().query(query, &[]).unwrap().iter().map(|row| row.get(0)).collect()
    }

    /// The texts that a query returns.
    fn texts(&self, query: &str) -> Vec<String> {
        self.tx.session().query(query, &[]).unwrap().iter().map(|row| row.get(0)).collect()
    }
}
