use batch_runtime::prelude::*;

struct Warehouse;

#[writer]
fn save(lines: &[String], tx: &Transaction<'_, Warehouse>) -> rusqlite::Result<()> {
    let _ = tx;
    println!("{}", lines.len());
    Ok(())
}

fn main() {}
