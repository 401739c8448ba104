use batch_runtime::prelude::*;

struct Flight {
    minutes: f64,
}

struct Delay {
    minutes: f64,
}

#[reader]
fn flights() -> impl Iterator<Item = Flight> {
    [Flight { minutes: 3.0 }].into_iter()
}

#[processor]
fn late(flight: Flight) -> Option<Delay> {
    (flight.minutes > 0.0).then_some(Delay { minutes: flight.minutes })
}

#[writer]
fn save(delays: &[Delay]) {
    println!("{}", delays.iter().map(|delay| delay.minutes).sum::<f64>());
}

#[database]
fn warehouse(warehouse_path: PathBuf) -> Sqlite {
    Sqlite::open(warehouse_path)
}

#[writer]
fn save_here(delays: &[Delay], tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute("INSERT INTO delay VALUES (?1)", [delays.len() as i64]).map(drop)
}

#[writer]
fn save_there(delays: &[Delay], tx: &Transaction<'_, warehouse>) -> rusqlite::Result<()> {
    tx.execute("INSERT INTO delay VALUES (?1)", [delays.len() as i64]).map(drop)
}

#[step(chunk = 100)]
fn load() {
    flights | late | (save_here, save_there)
}

fn main() {}
