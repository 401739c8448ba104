use batch_runtime::prelude::*;

#[step(chunk = 100)]
fn clean_up(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute("DELETE FROM delay", [])?;
    Ok(())
}

fn main() {}
