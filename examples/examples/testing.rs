//! Shows how to test a job: components as plain functions, a step over a `Vec`, a writer in a transaction, a whole job,
//! a restart, and that nothing is lost or duplicated wherever the job dies.
//!
//! `cargo test --example testing` runs the tests at the end; `cargo run --example testing -- run` runs the job.

use batch_runtime::prelude::*;

#[derive(Debug, Clone, PartialEq)]
struct Order {
    item: String,
    pieces: i64,
}

#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not an order: expected `item x pieces`")]
struct NotAnOrder(String);

#[reader]
fn orders() -> impl Iterator<Item = String> {
    ["apple x 3", "pear x 0", "plum x 12"].into_iter().map(str::to_owned)
}

#[processor]
fn parse(line: &str) -> Result<Order, NotAnOrder> {
    let parsed = line.split_once(" x ").and_then(|(item, pieces)| Some((item, pieces.parse().ok()?)));
    let (item, pieces) = parsed.ok_or_else(|| NotAnOrder(line.to_owned()))?;
    Ok(Order { item: item.to_owned(), pieces })
}

/// Keeps orders of at least `least` pieces.
#[processor]
fn large(order: Order, least: i64) -> Option<Order> {
    (order.pieces >= least).then_some(order)
}

#[writer]
fn save(orders: &[Order], tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute_batch("CREATE TABLE IF NOT EXISTS orders (item TEXT, pieces INTEGER)")?;
    let mut insert = tx.prepare_cached("INSERT INTO orders VALUES (?1, ?2)")?;
    orders.iter().try_for_each(|order| insert.execute((&order.item, order.pieces)).map(drop))
}

#[step(chunk = 2)]
fn load() {
    orders | parse | large | save
}

/// Loads the orders that are large enough to ship.
#[job]
fn testing(#[param(default = 1)] least: i64) {
    load;
}

batch_runtime::main!(testing);

#[cfg(test)]
mod tests {
    use batch_runtime::observe::NotCompleted;
    use batch_runtime::testing::{self as harness, FailAt, Sandbox, StepTest};
    use batch_runtime::{Failure, Sqlite};

    use super::*;

    fn order(item: &str, pieces: i64) -> Order {
        Order { item: item.to_owned(), pieces }
    }

    #[test]
    fn a_component_is_a_function() {
        assert_eq!(parse("apple x 3").unwrap(), order("apple", 3));
        assert_eq!(large(order("pear", 0), 1), None);
    }

    #[test]
    fn a_step_runs_over_a_vec() -> Result<(), Failure> {
        let lines = vec!["fig x 1".to_owned(), "fig x 5".to_owned()];
        let (written, counters) = StepTest::<load>::new().parameter("least", &2_i64).over(lines)?;
        assert_eq!(written, [order("fig", 5)]);
        assert_eq!((counters.read, counters.filter), (2, 1));
        Ok(())
    }

    #[test]
    fn a_step_resumes_at_a_position() -> Result<(), Failure> {
        let (written, _) = StepTest::<load>::new().parameter("least", &1_i64).from_position(&2)?.collect()?;
        assert_eq!(written, [order("plum", 12)]);
        Ok(())
    }

    #[test]
    fn a_bad_line_fails_the_step_and_is_named() {
        let failure =
            StepTest::<load>::new().parameter("least", &1_i64).over(vec!["kiwi".to_owned()]).unwrap_err();
        assert!(failure.to_string().contains("`kiwi` is not an order"), "{failure}");
    }

    #[test]
    fn a_writer_is_called_with_a_transaction() -> rusqlite::Result<()> {
        let mut database = rusqlite::Connection::open_in_memory()?;
        let tx = database.transaction()?;
        save(&[order("apple", 3)], &harness::transaction::<Sqlite>(&tx))?;
        assert_eq!(tx.query_row("SELECT pieces FROM orders", [], |row| row.get(0)), Ok(3));
        Ok(())
    }

    #[test]
    fn a_job_runs_in_its_own_repository() -> Result<(), NotCompleted> {
        let report = harness::run(&testing(4)).unwrap().completed()?;
        assert_eq!((report.steps[0].counters.read, report.steps[0].counters.write), (3, 1));
        Ok(())
    }

    #[test]
    fn a_restart_resumes_after_the_last_commit() -> Result<(), NotCompleted> {
        let sandbox = Sandbox::new().unwrap();
        sandbox.fail_at(FailAt::before_chunk("load", 2));
        sandbox.run(&testing(1)).unwrap_err();
        let report = sandbox.restart().unwrap().completed()?;
        assert_eq!(report.steps[0].counters.read, 1);
        assert_eq!(sandbox.rows("SELECT item FROM orders").unwrap(), ["apple", "plum"]);
        Ok(())
    }

    #[test]
    fn nothing_is_lost_or_duplicated_wherever_the_job_dies() {
        harness::survives(|_| testing(1), |sandbox| sandbox.rows("SELECT * FROM orders").unwrap());
    }
}
