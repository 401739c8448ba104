use batch_runtime::prelude::*;

#[aggregator]
fn total(parts: Vec<u32>, tx: &Transaction<'_>) -> rusqlite::Result<u32> {
    let total: u32 = parts.iter().sum();
    tx.execute("INSERT INTO total VALUES (?1)", [total])?;
    Ok(total)
}

fn main() {}
