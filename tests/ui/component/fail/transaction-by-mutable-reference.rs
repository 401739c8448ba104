use batch_runtime::prelude::*;

#[writer]
fn save(lines: &[String], tx: &mut Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute("INSERT INTO line VALUES (?1)", [lines.len() as i64]).map(drop)
}

fn main() {}
