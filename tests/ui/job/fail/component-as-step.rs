use batch_runtime::prelude::*;

#[reader]
fn flights(input: PathBuf) -> impl Iterator<Item = u32> {
    let _ = input;
    0..3
}

#[writer]
fn save(_flights: &[u32]) {}

#[step(chunk = 100)]
fn load() {
    flights | save
}

#[processor]
fn late(flight: u32) -> u32 {
    flight
}

#[job]
fn etl(input: PathBuf) {
    flights;
    late;
    save;
    load;
}

fn main() {}
