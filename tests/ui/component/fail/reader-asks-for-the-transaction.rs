use batch_runtime::prelude::*;

#[reader]
fn numbers(tx: &Transaction<'_>) -> rusqlite::Result<impl Iterator<Item = u32>> {
    tx.execute("DELETE FROM line", [])?;
    Ok(0..3)
}

fn main() {}
