use batch_runtime::prelude::*;

#[step(order = none)]
fn tidy(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute_batch("DELETE FROM number")
}

fn main() {}
