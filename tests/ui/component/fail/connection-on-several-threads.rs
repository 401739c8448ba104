use batch_runtime::prelude::*;

#[processor(concurrency = 8)]
fn known(name: String, connection: &Connection) -> rusqlite::Result<Option<String>> {
    let count: i64 = connection.query_row("SELECT count(*) FROM person WHERE name = ?1", [&name], |row| row.get(0))?;
    Ok((count > 0).then_some(name))
}

fn main() {}
