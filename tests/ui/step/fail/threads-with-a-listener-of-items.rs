use batch_runtime::prelude::*;

#[reader]
fn flights() -> impl Iterator<Item = u32> {
    0..3
}

#[writer]
fn save(numbers: &[u32]) {
    println!("{numbers:?}");
}

#[listener(after_read)]
fn watch(flight: &u32) {
    println!("{flight}");
}

#[listener(after_write)]
fn report(flights: &[u32]) {
    println!("{flights:?}");
}

#[step(chunk = 100, threads = 4, listeners(report, watch))]
fn load() {
    flights | save
}

fn main() {}
