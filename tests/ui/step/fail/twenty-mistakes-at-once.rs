use batch_runtime::prelude::*;

struct Flight {
    minutes: f64,
}

struct Delay {
    minutes: f64,
}

struct Broken;

#[reader]
fn list() -> Vec<Flight> {
    Vec::new()
}

#[reader]
fn nothing() {}

#[reader]
fn flights() -> impl Iterator<Item = Flight> {
    std::iter::empty()
}

#[reader]
fn borrowed(list: &Vec<Flight>) -> impl Iterator<Item = &Flight> {
    list.iter()
}

#[reader(fast)]
fn optional() -> impl Iterator<Item = Flight> {
    std::iter::empty()
}

#[processor]
fn alone() -> Delay {
    Delay { minutes: 0.0 }
}

#[processor]
fn late(flight: Flight) -> Option<Delay> {
    (flight.minutes > 0.0).then_some(Delay { minutes: flight.minutes })
}

#[processor]
fn generic<T>(item: T) -> T {
    item
}

#[processor]
fn changed(flight: &mut Flight) -> Delay {
    Delay { minutes: flight.minutes }
}

#[processor]
fn fails(flight: Flight) -> Result<Delay, Broken> {
    if flight.minutes > 0.0 { Ok(Delay { minutes: flight.minutes }) } else { Err(Broken) }
}

#[writer]
fn save(delays: &[Delay]) {
    println!("{}", delays.iter().map(|delay| delay.minutes).sum::<f64>());
}

#[writer]
fn owns(delays: Vec<Delay>) {
    println!("{}", delays.len());
}

#[writer]
fn takes(delays: &[Delay], tx: Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute("INSERT INTO delay VALUES (?1)", [delays.len() as i64]).map(drop)
}

#[step(chunk = 0)]
fn zero() {
    flights | late | save
}

#[step(chnk = 10)]
fn unknown() {
    flights | late | save
}

#[step(chunk = 10, order = none)]
fn partitions() {
    flights | late | save
}

#[step(chunk = "ten")]
fn text() {
    flights | late | save
}

#[step(chunk = 10)]
fn wrong_items() {
    flights | save
}

#[step(chunk = 10)]
fn wrong_order() {
    late | late | save
}

#[step(chunk = 10)]
fn wrong_binding() {
    flights | late(limit = 3) | save
}

#[step(chunk = 10)]
fn no_writer() {
    flights | late
}

#[step(chunk = 10)]
fn wrong_writer() {
    flights | late | (save, late)
}

// No second error for these: the functions they name are already reported.
#[step(chunk = 10)]
fn follows() {
    list | generic | owns
}

#[step(chunk = 10)]
fn follows_as_well() {
    (nothing, borrowed, optional) | changed | alone | fails | (takes, owns)
}

#[step(chunk = 10)]
fn wrong_middle() {
    flights | flights | save
}

fn main() {}
