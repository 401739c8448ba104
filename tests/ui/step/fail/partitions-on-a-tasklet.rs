use batch_runtime::prelude::*;

#[step(partitions = 8)]
fn tidy(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute_batch("DELETE FROM number")
}

fn main() {}
