use batch_runtime::prelude::*;

struct Prices(i64);

#[resource]
fn prices(connection: &Connection) -> rusqlite::Result<Prices> {
    connection.query_row("SELECT max(price) FROM price", [], |row| row.get(0)).map(Prices)
}

fn main() {}
