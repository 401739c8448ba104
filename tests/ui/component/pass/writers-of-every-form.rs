use batch_runtime::prelude::*;
use batch_runtime::writers::Collector;

#[reader]
fn numbers() -> impl Iterator<Item = u32> {
    0..3
}

#[database]
fn warehouse(warehouse_path: PathBuf) -> Result<Sqlite, std::io::Error> {
    Ok(Sqlite::open(warehouse_path))
}

#[writer]
fn infallible(numbers: &[u32]) {
    println!("{numbers:?}");
}

#[writer]
fn there(numbers: &[u32], tx: &Transaction<'_, warehouse>, table: &str, connection: &Connection<warehouse>) -> rusqlite::Result<()> {
    let _ = connection;
    numbers.iter().try_for_each(|n| tx.execute(&format!("INSERT INTO {table} VALUES (?1)"), [n]).map(drop))
}

#[writer]
fn object() -> Collector<u32> {
    Collector::new()
}

#[writer]
fn fallible_object(output: &Path) -> Result<Collector<u32>, String> {
    if output.exists() { Err("exists".to_owned()) } else { Ok(Collector::new()) }
}

#[writer]
fn opaque() -> impl Writer<Item = u32> {
    Collector::new()
}

enum Kind {
    Even,
    Odd(u32),
}

#[classifier]
fn kind(number: &u32) -> Result<Kind, String> {
    Ok(if number.is_multiple_of(2) { Kind::Even } else { Kind::Odd(*number) })
}

#[step(chunk = 2)]
fn all() {
    numbers
        | (
            infallible,
            there(table = "numbers"),
            object,
            match kind {
                Kind::Even => (fallible_object, opaque),
                Kind::Odd(n) if n > 3 => infallible,
                #[allow(unreachable_patterns)]
                Kind::Odd(_) | Kind::Even => match kind {
                    Kind::Even => object,
                    _ => opaque,
                },
            },
        )
}

fn main() {
    assert_eq!(all().components.iter().map(|part| part.name).collect::<Vec<_>>().join(" "),
        "numbers infallible there object kind fallible_object opaque infallible kind object opaque");
}
