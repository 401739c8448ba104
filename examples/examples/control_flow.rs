//! Shows the branches, loops, endings, flows and nested jobs of a job body (`customer_parallel` shows `split!`); the
//! database records the path taken.
//!
//! The job loads a day's payments, pays them out in batches, asks the bank until it has settled, and closes the day.

use batch_runtime::prelude::*;

#[derive(Debug, Deserialize)]
struct Payment {
    account: String,
    cents: i64,
}

#[derive(Debug, thiserror::Error)]
#[error("cannot pay {cents} cents to {account}")]
struct NotPayable {
    account: String,
    cents: i64,
}

#[step]
fn create_tables(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute_batch(
        "DROP TABLE IF EXISTS payment;
         CREATE TABLE payment (id INTEGER PRIMARY KEY, account TEXT, cents INTEGER, batch INTEGER);
         DROP TABLE IF EXISTS answer;
         CREATE TABLE answer (id INTEGER PRIMARY KEY);
         DROP TABLE IF EXISTS statement;
         CREATE TABLE statement (account TEXT, cents INTEGER);
         DROP TABLE IF EXISTS day;
         CREATE TABLE day (total TEXT, closed INTEGER)",
    )
}

#[reader]
fn payments(input: PathBuf) -> Result<CsvReader<Payment>, ReadError> {
    CsvReader::open(input)
}

#[processor]
fn payable(payment: Payment) -> Result<Payment, NotPayable> {
    let Payment { account, cents } = payment;
    if cents > 0 { Ok(Payment { account, cents }) } else { Err(NotPayable { account, cents }) }
}

#[processor]
fn only_payable(payment: Payment) -> Option<Payment> {
    payable(payment).ok()
}

#[writer]
fn save(payments: &[Payment], tx: &Transaction<'_>) -> rusqlite::Result<()> {
    let mut insert = tx.prepare_cached("INSERT INTO payment (account, cents) VALUES (?1, ?2)")?;
    payments.iter().try_for_each(|payment| insert.execute((&payment.account, payment.cents)).map(drop))
}

/// Fails at a payment that cannot be paid.
#[step(chunk = 10)]
fn load() {
    payments | payable | save
}

/// Filters out payments that cannot be paid.
#[step(chunk = 10)]
fn load_payable() {
    payments | only_payable | save
}

/// Deletes the payments that `load` committed before it failed.
#[step]
fn discard(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute("DELETE FROM payment", []).map(drop)
}

#[derive(Debug, Serialize, Deserialize)]
struct Total {
    payments: u32,
    cents: i64,
}

/// A tasklet can return a serde value for later steps.
#[step]
fn add_up(tx: &Transaction<'_>) -> rusqlite::Result<Total> {
    tx.query_row("SELECT count(*), coalesce(sum(cents), 0) FROM payment", [], |row| {
        Ok(Total { payments: row.get(0)?, cents: row.get(1)? })
    })
}

/// Asks for the output of `add_up`. The compiler checks that `add_up` runs first on every path through the job.
#[step]
fn note_total(tx: &Transaction<'_>, total: &Output<add_up>) -> rusqlite::Result<()> {
    let text = format!("{} payments, {} cents", total.payments, total.cents);
    tx.execute("INSERT INTO day VALUES (?1, FALSE)", [text]).map(drop)
}

enum Verdict {
    Nothing,
    Usual,
    Large,
    Impossible,
}

/// A decider returns an enum, and the job's `match` must cover every variant.
#[decider]
fn verdict(total: &Output<add_up>, consent_above: i64) -> Verdict {
    match total.cents {
        0 => Verdict::Nothing,
        cents if cents > 100 * consent_above => Verdict::Impossible,
        cents if cents > consent_above => Verdict::Large,
        _ => Verdict::Usual,
    }
}

#[decider]
fn unpaid(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT EXISTS (SELECT 1 FROM payment WHERE batch IS NULL)", [], |row| row.get(0))
}

/// Pays the next eight payments. Each iteration of a loop is a separate step execution: `pay_batch[1]`, `pay_batch[2]`
/// …
#[step]
fn pay_batch(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE payment SET batch = (SELECT coalesce(max(batch), 0) + 1 FROM payment)
         WHERE id IN (SELECT id FROM payment WHERE batch IS NULL ORDER BY id LIMIT 8)",
        [],
    )
    .map(drop)
}

enum Answer {
    Settled,
    Pending,
}

/// A tasklet that returns an enum can be matched on like a decider, and may also do work. The bank settles when it
/// is asked for the third time.
#[step]
fn ask_bank(tx: &Transaction<'_>) -> rusqlite::Result<Answer> {
    tx.execute("INSERT INTO answer DEFAULT VALUES", [])?;
    let asked: u32 = tx.query_row("SELECT count(*) FROM answer", [], |row| row.get(0))?;
    Ok(if asked < 3 { Answer::Pending } else { Answer::Settled })
}

#[step]
fn write_statements(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute(
        "INSERT INTO statement SELECT account, sum(cents) FROM payment GROUP BY account ORDER BY account",
        [],
    )
    .map(drop)
}

/// A job in its own right, and a step of `control_flow`.
#[job]
fn statements() {
    write_statements;
}

#[step]
fn drop_answers(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute_batch("DELETE FROM answer WHERE id < (SELECT max(id) FROM answer)")
}

#[step]
fn mark_closed(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute("UPDATE day SET closed = TRUE", []).map(drop)
}

/// A named sequence of steps.
#[flow]
fn close() {
    drop_answers;
    mark_closed;
}

/// Pays out a day's payments.
#[job]
fn control_flow(
    /// CSV file of payments
    #[param(default = "examples/data/payments.csv")]
    input: PathBuf,
    /// Totals above this many cents need a person's consent
    #[param(default = 1_000_000)]
    consent_above: i64,
) {
    create_tables;
    // A `match` on a step branches on its outcome. A failure that has an arm counts as handled.
    match load {
        Completed => {}
        Failed => {
            discard;
            load_payable;
        }
    }
    add_up;
    note_total;
    match verdict {
        Verdict::Nothing => {
            close;
            end!("NOTHING_TO_PAY");
        }
        Verdict::Usual => {}
        // A restart continues after the stop, so restarting means consenting.
        Verdict::Large => stop!("the total is large: restart the execution to consent"),
        Verdict::Impossible => fail!("the total cannot be right"),
    }
    while unpaid {
        pay_batch;
    }
    loop {
        match ask_bank {
            Answer::Settled => break,
            Answer::Pending => {}
        }
    }
    statements;
    close;
}

batch_runtime::main!(control_flow, statements);
