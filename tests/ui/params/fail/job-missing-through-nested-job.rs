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

#[job]
fn inner(input: PathBuf) {
    load;
}

#[job]
fn etl() {
    inner;
}

fn main() {}
