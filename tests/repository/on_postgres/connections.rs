//! The connections on which steps commit their chunks.

use batch_runtime::prelude::*;
use batch_tests::postgres::{Options, Server};

use super::jobs::completes;
use super::{open, schema};
use crate::place::Place as _;
use crate::postgres::Schema;

#[partitioner]
fn singles() -> Vec<(String, i64)> {
    (1..=60).map(|number| (number.to_string(), number)).collect()
}

#[reader]
fn single(number: Partition<i64>) -> impl Iterator<Item = i64> {
    std::iter::once(number.into_range())
}

#[writer]
fn insert(numbers: &[i64], tx: &Transaction<'_, Postgres>) -> Result<(), PgError> {
    numbers.iter().try_for_each(|number| tx.send("INSERT INTO item VALUES ($1)", &[number]))
}

#[step(chunk = 10, partitioner = singles, threads = 3)]
fn insert_singles() {
    single | insert
}

/// Sixty partitions of one item.
#[job]
fn many_partitions() {
    insert_singles;
}

#[test]
fn a_step_of_many_partitions_opens_as_many_connections_as_run_at_once() {
    let options = Options { settings: vec![("log_connections", "on".to_owned())], ..Options::default() };
    let Some(server) = Server::start(&options) else { return };
    let database = server.database();
    let place = Schema::at(database.url());
    place.sql("CREATE TABLE item (n BIGINT)");
    let opened = || server.log().matches("connection authorized").count();
    let before = opened();
    completes(&open(database.url()), &many_partitions());
    let after = opened();
    assert!((3..12).contains(&(after - before)), "{}", after - before);
    assert_eq!(place.rows("SELECT COUNT(*), COUNT(DISTINCT n) FROM item"), ["60|60"]);
}

#[step]
fn leave_much(tx: &Transaction<'_, Postgres>) -> Result<(), PgError> {
    tx.batch_execute(
        "CREATE TEMP TABLE left_over (n INT); SET statement_timeout = '17min'; SET search_path = pg_temp;
         SELECT pg_advisory_lock(4711); LISTEN left_over; DECLARE left_over CURSOR WITH HOLD FOR SELECT 1",
    )
}

#[step]
fn find_nothing(tx: &Transaction<'_, Postgres>) -> Result<(), PgError> {
    let row = tx.query_one(
        "SELECT concat_ws(' ', to_regclass('pg_temp.left_over'), current_setting('statement_timeout'),
                          current_setting('search_path'), (SELECT count(*) FROM pg_cursors WHERE name = 'left_over'),
                          (SELECT count(*) FROM pg_listening_channels()),
                          (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711),
                          current_setting('application_name') LIKE 'batch %')",
        &[],
    )?;
    let found: String = row.get(0);
    tx.execute("INSERT INTO found VALUES ($1)", &[&found]).map(drop)
}

/// A step that leaves something on its connection, and one that looks for it.
#[job]
fn leaving() {
    leave_much;
    find_nothing;
}

#[test]
fn what_a_step_leaves_on_its_connection_is_gone_for_the_next() {
    let Some(place) = schema() else { return };
    place.sql("CREATE TABLE found (what TEXT)");
    completes(&place.open(), &leaving());
    assert_eq!(place.rows("SELECT what FROM found"), ["0 \"$user\", public 0 0 0 t"]);
}
