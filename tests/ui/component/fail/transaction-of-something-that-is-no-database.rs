use batch_runtime::prelude::*;

struct Warehouse;

#[writer]
fn save(lines: &[String], tx: &Transaction<'_, Warehouse>) -> rusqlite::Result<()> {
    println!("{}", lines.len());
    Ok(())
}

fn main() {}
