//! Loads a file of sales into a table, against a hand-written loop with `COPY` and a transaction per chunk. The table
//! and the repository exist beforehand.

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use batch_runtime::postgres::Postgres;
use batch_runtime::repository::postgres::PostgresRepository;
use batch_runtime::{Durability, Launch};
use batch_tests::postgres::Database;
use batch_tests::proxy::Proxy;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::Type;

use super::jobs;
use crate::data::{self, Sale};
use crate::hand_written::{CHUNK, Sales};
use crate::measure::{self, Spread, interleaved};
use crate::report::{Row, Target};
use crate::{Outcome, Plan};

/// The table for the rows.
const TABLE: &str = "CREATE TABLE sale (
    id BIGINT NOT NULL, customer TEXT NOT NULL, country TEXT NOT NULL, product TEXT NOT NULL,
    quantity INTEGER NOT NULL, price FLOAT8 NOT NULL, discount FLOAT8)";

/// In one thread.
pub(crate) fn plain(plan: &Plan, name: &'static str) -> Outcome<Row> {
    compared(plan, name, jobs::csv_to_postgres, Duration::ZERO, Target::must_and_aim(0.95, 0.80))
}

/// With reading and processing off the writing thread.
pub(crate) fn on_threads(plan: &Plan, name: &'static str) -> Outcome<Row> {
    compared(plan, name, jobs::csv_to_postgres_on_threads, Duration::ZERO, Target::must_and_aim(0.80, 0.65))
}

/// With commits side by side.
pub(crate) fn unordered(plan: &Plan, name: &'static str) -> Outcome<Row> {
    compared(plan, name, jobs::csv_to_postgres_unordered, Duration::ZERO, Target::must_and_aim(0.80, 0.65))
}

/// Through a network that takes half a millisecond a round trip.
pub(crate) fn delayed(plan: &Plan, name: &'static str) -> Outcome<Row> {
    let each_way = Duration::from_micros(250);
    compared(plan, name, jobs::csv_to_postgres, each_way, Target::must_and_aim(0.80, 0.60))
}

fn compared(
    plan: &Plan,
    name: &'static str,
    launch: fn(PathBuf) -> Launch,
    each_way: Duration,
    target: Target,
) -> Outcome<Row> {
    let rows = plan.size(1_000_000);
    let input = plan.memory.file("sales.csv");
    data::write_csv(&input, rows)?;
    let server = super::server(false)?;
    let proxy = (each_way > Duration::ZERO).then(|| Proxy::in_front_of(server.port()));
    if let Some(proxy) = &proxy {
        proxy.delay(each_way);
    }
    let side = || -> Outcome<(Database, String)> {
        let database = server.database();
        database.connect().batch_execute(TABLE)?;
        let url = proxy.as_ref().map_or_else(|| database.url().to_owned(), |proxy| proxy.url(database.url()));
        Ok((database, url))
    };
    let ((ours, our_url), (by_hand, their_url)) = (side()?, side()?);
    let empty = |database: &Database| -> Outcome {
        let tables = "TRUNCATE sale; DROP SCHEMA IF EXISTS batch CASCADE; CHECKPOINT";
        Ok(database.connect().batch_execute(tables)?)
    };
    let repository = format!("{our_url}?schema=batch");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let pairs = interleaved(
        plan.rounds(9),
        || {
            empty(&ours)?;
            // The table for the rows exists beforehand as well.
            PostgresRepository::open(&Postgres::at(&repository))?;
            measure::time(|| super::run(&repository, Durability::Process, &launch(input.clone())).map(drop))
        },
        || {
            empty(&by_hand)?;
            measure::time(|| runtime.block_on(copy(&input, &their_url)))
        },
    )?;
    let content = |database: &Database| -> Outcome<(i64, String)> {
        let sums = "SELECT count(*), sum(hashtextextended(s::text, 0))::text FROM sale AS s";
        let row = database.connect().query_one(sums, &[])?;
        Ok((row.get(0), row.get(1)))
    };
    let (one, other) = (content(&ours)?, content(&by_hand)?);
    if one != other || one.0.cast_unsigned() != rows - rows / 100 {
        return Err(format!("the tables differ: {one:?}, {other:?}").into());
    }
    let rate =
        |side: fn(&measure::Pair) -> Duration| rows as f64 / measure::median_seconds(&pairs, side) / 1e6;
    Ok(Row {
        name,
        unit: "ratio",
        value: Spread::of(pairs.iter().map(|pair| pair.ratio())),
        target,
        detail: format!(
            "{:.2} M rows/s, by hand {:.2} M rows/s",
            rate(|pair| pair.ours),
            rate(|pair| pair.by_hand)
        ),
    })
}

/// The loop of a careful user: one `COPY` and one transaction a chunk, and no metadata.
async fn copy(input: &Path, url: &str) -> Outcome {
    let (mut client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
    let connection = tokio::spawn(connection);
    client.batch_execute("SET synchronous_commit = off").await?;
    let statement =
        "COPY sale (id, customer, country, product, quantity, price, discount) FROM STDIN (FORMAT binary)";
    let statement = client.prepare(statement).await?;
    let types = [Type::INT8, Type::TEXT, Type::TEXT, Type::TEXT, Type::INT4, Type::FLOAT8, Type::FLOAT8];
    let mut sales = Sales::open(input)?;
    let mut chunk: Vec<Sale> = Vec::with_capacity(CHUNK);
    let mut at_end = false;
    while !at_end {
        chunk.clear();
        for _ in 0..CHUNK {
            let Some(sale) = sales.next()? else {
                at_end = true;
                break;
            };
            chunk.extend(data::charge(sale));
        }
        let tx = client.transaction().await?;
        let writer = BinaryCopyInWriter::new(tx.copy_in(&statement).await?, &types);
        let mut writer = pin!(writer);
        for sale in &chunk {
            let (id, quantity) = (i64::try_from(sale.id)?, i32::try_from(sale.quantity)?);
            let values: [&(dyn tokio_postgres::types::ToSql + Sync); 7] =
                [&id, &sale.customer, &sale.country, &sale.product, &quantity, &sale.price, &sale.discount];
            writer.as_mut().write(&values).await?;
        }
        writer.as_mut().finish().await?;
        tx.commit().await?;
    }
    drop(client);
    connection.await??;
    Ok(())
}
