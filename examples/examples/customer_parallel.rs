//! `first; split! { second, third }; fourth`: scores customers with a slow service and seals letters in parallel.
//!
//! `run before_and_after` first does the same work sequentially; the summary shows the time of each step.
//!
//! Three things run in parallel: `second` and `third` run on separate threads, with separate cursors over the same
//! rows; 64 calls of the service are in flight at once; and two threads seal letters, taking turns at one cursor.
//!
//! The cursor is `.synchronized()`, so that several threads may read it. A step with `threads` already synchronizes any
//! reader that is `Send`, so the call could be left out; doing it twice costs next to nothing. Rows are written in the
//! order of the input, no matter which thread reads a customer, and a restart continues after the last one written.

use std::time::Duration;

use batch_runtime::prelude::*;
use batch_runtime::readers::{SqliteReadError, SqliteReader, Synchronized};

#[derive(Debug, Deserialize)]
struct Customer {
    id: i64,
    name: String,
    cents: i64,
}

#[derive(Debug)]
struct Score {
    id: i64,
    points: i64,
}

#[derive(Debug)]
struct Seal {
    id: i64,
    seal: i64,
}

/// Creates the customers, and empty tables for the results.
#[step]
fn first(customers: i64, tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute_batch(
        "DROP TABLE IF EXISTS customer;
         DROP TABLE IF EXISTS score;
         DROP TABLE IF EXISTS letter;
         CREATE TABLE customer (id INTEGER PRIMARY KEY, name TEXT, cents INTEGER);
         CREATE TABLE score (customer INTEGER, points INTEGER);
         CREATE TABLE letter (customer INTEGER, seal INTEGER)",
    )?;
    tx.execute(
        "INSERT INTO customer
         WITH RECURSIVE number(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM number WHERE id < ?1)
         SELECT id, 'customer ' || id, id * 7919 % 100000 FROM number",
        [customers],
    )?;
    Ok(())
}

/// The customers in the order of their key: a restart continues after the last one committed. The cursor opens its own
/// connection to the database of `connection`, so it can move between threads.
#[reader]
fn customers_by_id(connection: &Connection) -> Result<Synchronized<SqliteReader<Customer>>, SqliteReadError> {
    let query = SqliteReader::query(connection, "SELECT id, name, cents FROM customer");
    Ok(query.key("id").page(100).rows_as()?.synchronized())
}

/// Stands in for a service. It does not know customers who have less than 100.00.
async fn ask(customer: Customer, wait_ms: u64) -> Option<Score> {
    tokio::time::sleep(Duration::from_millis(wait_ms)).await;
    (customer.cents >= 10_000).then_some(Score { id: customer.id, points: customer.cents / 100 % 97 })
}

#[processor(concurrency = 1)]
async fn score_alone(customer: Customer, wait_ms: u64) -> Option<Score> {
    ask(customer, wait_ms).await
}

/// Scores up to 64 customers at once and keeps their order.
#[processor(concurrency = 64)]
async fn score(customer: Customer, wait_ms: u64) -> Option<Score> {
    ask(customer, wait_ms).await
}

#[writer]
fn save_scores(scores: &[Score], tx: &Transaction<'_>) -> rusqlite::Result<()> {
    let mut insert = tx.prepare_cached("INSERT INTO score VALUES (?1, ?2)")?;
    scores.iter().try_for_each(|score| insert.execute((score.id, score.points)).map(drop))
}

#[step(chunk = 50)]
fn second_alone() {
    customers_by_id | score_alone | save_scores
}

#[step(chunk = 50)]
fn second() {
    customers_by_id | score | save_scores
}

/// Keeps a core busy by hashing the name `rounds` times.
#[processor]
fn seal(customer: &Customer, rounds: u32) -> Seal {
    const PRIME: i64 = 2_147_483_647;
    let start = customer.name.bytes().fold(7, |seal, byte| (seal * 31 + i64::from(byte)) % PRIME);
    let seal = (0..rounds).fold(start, |seal, _| (seal * 48_271 + 11) % PRIME);
    Seal { id: customer.id, seal }
}

#[writer]
fn save_letters(seals: &[Seal], tx: &Transaction<'_>) -> rusqlite::Result<()> {
    let mut insert = tx.prepare_cached("INSERT INTO letter VALUES (?1, ?2)")?;
    seals.iter().try_for_each(|seal| insert.execute((seal.id, seal.seal)).map(drop))
}

#[step(chunk = 50)]
fn third_alone() {
    customers_by_id | seal | save_letters
}

#[step(chunk = 50, threads = 2)]
fn third() {
    customers_by_id | seal | save_letters
}

/// Joins the results of both branches.
#[step]
fn fourth(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute_batch(
        "DROP TABLE IF EXISTS report;
         CREATE TABLE report AS
             SELECT customer.id, points, seal FROM customer
             JOIN letter ON letter.customer = customer.id
             LEFT JOIN score ON score.customer = customer.id
             ORDER BY customer.id",
    )
}

/// Works sequentially, one customer at a time.
#[job]
fn customer_serial(customers: i64, wait_ms: u64, rounds: u32) {
    first;
    second_alone;
    third_alone;
    fourth;
}

/// Scores customers and seals their letters in parallel.
#[job]
fn customer_parallel(
    /// Number of customers to create
    #[param(default = 1_000)]
    customers: i64,
    /// Milliseconds that the service takes per customer
    #[param(default = 5)]
    wait_ms: u64,
    /// Rounds of hashing per seal
    #[param(default = 200_000)]
    rounds: u32,
) {
    first;
    split! { second, third };
    fourth;
}

/// Does the same work sequentially, then in parallel.
#[job]
fn before_and_after(
    /// Number of customers to create
    #[param(default = 1_000)]
    customers: i64,
    /// Milliseconds that the service takes per customer
    #[param(default = 5)]
    wait_ms: u64,
    /// Rounds of hashing per seal
    #[param(default = 200_000)]
    rounds: u32,
) {
    customer_serial;
    customer_parallel;
}

batch_runtime::main!(customer_parallel, before_and_after);
