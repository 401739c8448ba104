//! Adds up a year's payments per account, first file by file and then two files at a time. In the second case an
//! aggregator also combines the sums of the files into the year's total.
//!
//! `run before_and_after` creates the files and does both; the summary shows the time of each step.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};

use batch_runtime::prelude::*;
use batch_runtime::readers::{FilesError, files};

#[derive(Debug, Deserialize)]
struct Payment {
    account: String,
    cents: i64,
}

/// Creates the missing files, `month-01.csv` and so on, with quoted commas and line breaks in them.
#[step]
fn make_files(folder: &Path, months: u32, records: u32) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    for month in 1..=months {
        let path = folder.join(format!("month-{month:02}.csv"));
        if path.exists() {
            continue;
        }
        // The file has another name until it is complete, so that a killed run leaves no half-written file.
        let unfinished = path.with_extension("part");
        let mut file = BufWriter::new(File::create(&unfinished)?);
        writeln!(file, "account,memo,cents")?;
        for record in 0..records {
            let random =
                (u64::from(month) << 32 | u64::from(record)).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20;
            let (number, cents) = (random % 200, random / 200 % 100_000);
            // Seven accounts in ten have the right check digit.
            let check = if random % 10 < 7 { check_digit(number) } else { number % 10 };
            writeln!(file, "{number:06}{check},\"payment {record},\nmonth {month}\",{cents}")?;
        }
        file.into_inner()?.sync_all()?;
        std::fs::rename(&unfinished, &path)?;
    }
    Ok(())
}

/// The check digit after an account number. It takes about a microsecond to compute, so that checking the files takes
/// longer than writing the totals.
fn check_digit(number: u64) -> u64 {
    (0..100).fold(number + 7, |hash, _| (hash * 48_271 + 11) % 2_147_483_647) % 10
}

/// Starts with empty tables.
#[step]
fn create_totals(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    ["total_one_by_one", "total_by_files"].iter().try_for_each(|table| {
        tx.execute_batch(&format!(
            "DROP TABLE IF EXISTS {table};
             CREATE TABLE {table} (account TEXT PRIMARY KEY, payments INTEGER, cents INTEGER)"
        ))
    })?;
    tx.execute_batch(
        "DROP TABLE IF EXISTS total_of_month;
         CREATE TABLE total_of_month (month TEXT PRIMARY KEY, payments INTEGER, cents INTEGER)",
    )
}

/// Reads the records of all files in the folder, in the order of their names.
#[reader]
fn payments(folder: PathBuf) -> Result<impl Splittable<Item = Payment>, FilesError> {
    files(folder, "*.csv", |path| CsvReader::<Payment>::open(path))
}

/// Filters out mistyped accounts.
#[processor]
fn checked(payment: Payment) -> Option<Payment> {
    let number: u64 = payment.account.parse().ok()?;
    (check_digit(number / 10) == number % 10).then_some(payment)
}

/// The sum of the payments of one file, or of all files.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Sum {
    payments: u32,
    cents: i64,
}

impl std::ops::AddAssign for Sum {
    fn add_assign(&mut self, other: Self) {
        self.payments += other.payments;
        self.cents += other.cents;
    }
}

/// Adds up the payments that pass. Each partition keeps its own sum in its checkpoint, so a kill cannot falsify it.
#[processor]
fn summed(payment: Payment, #[state] sum: &mut Sum) -> Payment {
    *sum += Sum { payments: 1, cents: payment.cents };
    payment
}

#[derive(Debug, Serialize, Deserialize)]
struct Year {
    months: Vec<Sum>,
    total: Sum,
}

/// The sums of the files, in order, and their total.
#[aggregator]
fn year(months: Vec<Sum>) -> Year {
    let mut total = Sum::default();
    for month in &months {
        total += *month;
    }
    Year { months, total }
}

/// Stores the output of the partitioned step.
#[step]
fn keep_year(year: &Output<by_files>, tx: &Transaction<'_>) -> rusqlite::Result<()> {
    let mut insert = tx.prepare("INSERT INTO total_of_month VALUES (?1, ?2, ?3)")?;
    for (number, month) in (1..).zip(&year.months) {
        insert.execute((format!("{number:02}"), month.payments, month.cents))?;
    }
    insert.execute(("all", year.total.payments, year.total.cents)).map(drop)
}

/// Adds a chunk to the totals. The chunk is first added up in memory, so that two partitions writing to the same table
/// block each other for only a few rows.
#[writer]
fn add(payments: &[Payment], table: &str, tx: &Transaction<'_>) -> rusqlite::Result<()> {
    let mut totals = BTreeMap::<&str, (u32, i64)>::new();
    for payment in payments {
        let (count, cents) = totals.entry(&payment.account).or_default();
        *count += 1;
        *cents += payment.cents;
    }
    let mut add = tx.prepare_cached(&format!(
        "INSERT INTO {table} VALUES (?1, ?2, ?3) ON CONFLICT (account) DO UPDATE
         SET payments = payments + excluded.payments, cents = cents + excluded.cents"
    ))?;
    totals.iter().try_for_each(|(account, (count, cents))| add.execute((account, count, cents)).map(drop))
}

/// Before: one file after another.
#[step(chunk = 20_000)]
fn one_by_one() {
    payments | checked | summed | add(table = "total_one_by_one")
}

/// After: each file is a partition with its own checkpoint, and two run at a time, however many there are.
#[step(chunk = 20_000, partitions = 12, threads = 2, aggregator = year)]
fn by_files() {
    payments | checked | summed | add(table = "total_by_files")
}

/// Adds up the files of a folder, two at a time.
#[job]
fn partitioned_files(
    /// Folder of CSV files
    #[param(default = "payments")]
    folder: PathBuf,
) {
    create_totals;
    by_files;
    keep_year;
}

/// Creates missing files, and adds them up one after another, then two at a time.
#[job]
fn before_and_after(
    /// Folder of CSV files
    #[param(default = "payments")]
    folder: PathBuf,
    /// Number of files to create
    #[param(default = 12)]
    months: u32,
    /// Records per file
    #[param(default = 100_000)]
    records: u32,
) {
    make_files;
    create_totals;
    one_by_one;
    by_files;
    keep_year;
}

batch_runtime::main!(partitioned_files, before_and_after);

#[cfg(test)]
mod tests {
    use batch_runtime::testing;

    #[test]
    fn no_payment_is_lost_or_duplicated_wherever_the_job_dies() {
        testing::survives(
            |sandbox| super::before_and_after(sandbox.path("payments"), 2, 40),
            |sandbox| {
                ["total_one_by_one", "total_by_files", "total_of_month"]
                    .map(|table| sandbox.rows(&format!("SELECT * FROM {table} ORDER BY 1")).unwrap())
            },
        );
    }
}
