//! A program with its own `main`: it starts jobs through [`JobOperator`] instead of a generated command line.
//!
//! `embedded REPOSITORY DAY..` books the takings of some days and skips days that are already booked.

use std::error::Error;
use std::sync::Arc;

use batch_runtime::operator::{JobOperator, OperatorError};
use batch_runtime::prelude::*;
use batch_runtime::repository::sqlite::SqliteRepository;
use batch_runtime::repository::{BatchStatus, RepositoryError};

#[derive(Debug)]
struct Sale {
    day: i64,
    cents: i64,
}

/// The sales of a day, as a till would deliver them.
#[reader]
fn sales(day: i64) -> impl Iterator<Item = Sale> {
    (1..=100).map(move |number| Sale { day, cents: day * 1_000 + number })
}

#[writer]
fn book(sales: &[Sale], tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute_batch("CREATE TABLE IF NOT EXISTS takings (day INTEGER PRIMARY KEY, cents INTEGER)")?;
    let mut add = tx.prepare_cached(
        "INSERT INTO takings VALUES (?1, ?2) ON CONFLICT (day) DO UPDATE SET cents = cents + excluded.cents",
    )?;
    sales.iter().try_for_each(|sale| add.execute((sale.day, sale.cents)).map(drop))
}

#[step(chunk = 10)]
fn book_sales() {
    sales | book
}

#[job]
fn close_day(day: i64) {
    book_sales;
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = PathBuf::from(arguments.next().ok_or("usage: embedded REPOSITORY DAY..")?);
    let operator = JobOperator::new(Arc::new(SqliteRepository::open(path)?));

    for day in arguments {
        // A job is called like a function and returns a launch, so the compiler checks the arguments.
        match operator.start(close_day(day.parse()?)) {
            Ok(report) if report.status == BatchStatus::Completed => {
                let sales: u64 = report.steps.iter().map(|step| step.counters.write).sum();
                println!("day {day}: {sales} sales booked");
            }
            Ok(report) => return Err(format!("day {day}: {}", report.exit.description).into()),
            Err(OperatorError::Repository(RepositoryError::AlreadyComplete { .. })) => {
                println!("day {day}: already booked");
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
