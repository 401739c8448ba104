//! Measures the reader of `PostgreSQL` against one streamed `SELECT`.

use std::time::Duration;

use batch_runtime::Reader;
use batch_runtime::postgres::Postgres;
use batch_runtime::readers::PostgresReader;
use batch_tests::postgres::{Database, Server};
use futures_util::{TryStreamExt as _, pin_mut};
use serde::Deserialize;
use tokio_postgres::types::ToSql;

use crate::measure::{self, Spread, interleaved};
use crate::report::{Row, Target};
use crate::{Outcome, Plan};

/// A flight.
#[derive(Debug, Deserialize)]
struct Flight {
    id: i64,
    carrier: String,
    number: i32,
    origin: String,
    destination: String,
    minutes: Option<f64>,
}

impl Flight {
    /// A number that depends on all fields.
    fn weight(&self) -> u64 {
        let text = self.carrier.len() + self.origin.len() + self.destination.len();
        self.id.cast_unsigned()
            + u64::from(self.number.cast_unsigned())
            + text as u64
            + u64::from(self.minutes.is_some())
    }
}

const FLIGHTS: &str = "SELECT id, carrier, number, origin, destination, minutes FROM flight";
/// A query of the same rows, whose keys the server cannot know to be unique.
const JOINED: &str =
    "SELECT id, carrier, number, origin, destination, minutes FROM flight LEFT JOIN nothing USING (id)";

/// A server with that many flights.
fn flights(rows: u64) -> Outcome<(Server, Database)> {
    let server = super::server(false)?;
    let database = server.database();
    database.connect().batch_execute(&format!(
        "CREATE TABLE flight (id bigint PRIMARY KEY, carrier text NOT NULL, number int NOT NULL, origin text NOT NULL,
            destination text NOT NULL, minutes float8);
         INSERT INTO flight SELECT n, 'C' || n % 20, n % 7000, 'O' || n % 300, 'D' || n % 301,
            CASE WHEN n % 50 > 0 THEN n % 97 - 10 END FROM generate_series(1, {rows}) AS n;
         CREATE TABLE nothing (id bigint)"
    ))?;
    database.connect().batch_execute("VACUUM ANALYZE flight")?;
    Ok((server, database))
}

/// A whole table by its primary key.
pub(crate) fn pages(plan: &Plan, name: &'static str) -> Outcome<Row> {
    compared(plan, name, FLIGHTS, Target::must_and_aim(1.15, 1.0))
}

/// The table as a query whose keys have to be compared.
pub(crate) fn pages_of_a_join(plan: &Plan, name: &'static str) -> Outcome<Row> {
    compared(plan, name, JOINED, Target::SHOWN)
}

fn compared(plan: &Plan, name: &'static str, sql: &str, target: Target) -> Outcome<Row> {
    let rows = plan.size(1_000_000);
    let (_server, database) = flights(rows)?;
    let (mut one, mut other) = (0, 0);
    let pairs = interleaved(
        plan.rounds(11),
        || measure::time(|| read(&database, sql).map(|weight| one = weight)),
        || measure::time(|| streamed(&database, sql).map(|weight| other = weight)),
    )?;
    if one != other {
        return Err(format!("the sides read different rows: {one}, {other}").into());
    }
    let rate =
        |side: fn(&measure::Pair) -> Duration| measure::median_seconds(&pairs, side) * 1e9 / rows as f64;
    Ok(Row {
        name,
        unit: "ratio",
        value: Spread::of(pairs.iter().map(|pair| pair.ratio())),
        target,
        detail: format!(
            "{:.0} ns a row, streamed {:.0} ns",
            rate(|pair| pair.ours),
            rate(|pair| pair.by_hand)
        ),
    })
}

fn read(database: &Database, sql: &str) -> Outcome<u64> {
    let mut reader =
        PostgresReader::query(&Postgres::at(database.url()), sql).key("id").rows_as::<Flight>()?;
    let mut weight = 0;
    while let Some(flight) = reader.read()? {
        weight += flight.weight();
    }
    Ok(weight)
}

fn streamed(database: &Database, sql: &str) -> Outcome<u64> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(database.url(), tokio_postgres::NoTls).await?;
        tokio::spawn(connection);
        let none: [&(dyn ToSql + Sync); 0] = [];
        let rows = client.query_raw(sql, none).await?;
        pin_mut!(rows);
        let mut weight = 0;
        while let Some(row) = rows.try_next().await? {
            let flight = Flight {
                id: row.try_get(0)?,
                carrier: row.try_get(1)?,
                number: row.try_get(2)?,
                origin: row.try_get(3)?,
                destination: row.try_get(4)?,
                minutes: row.try_get(5)?,
            };
            weight += flight.weight();
        }
        Ok(weight)
    })
}
