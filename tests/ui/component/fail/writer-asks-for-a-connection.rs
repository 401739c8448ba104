use batch_runtime::prelude::*;

#[reader]
fn numbers() -> impl Iterator<Item = u32> {
    [1, 2].into_iter()
}

#[writer]
fn save(numbers: &[u32], connection: &Connection) -> rusqlite::Result<()> {
    let mut insert = connection.prepare("INSERT INTO number VALUES (?1)")?;
    numbers.iter().try_for_each(|number| insert.execute([number]).map(|_| ()))
}

#[step(chunk = 100)]
fn load() {
    numbers | save
}

fn main() {}
