use batch_runtime::prelude::*;

#[derive(Default, Serialize, Deserialize)]
struct Seen {
    count: u32,
}

#[reader]
fn flights() -> impl Iterator<Item = u32> {
    0..3
}

#[processor]
fn number(flight: u32, #[state] seen: &mut Seen) -> u32 {
    seen.count += 1;
    flight + seen.count
}

#[writer]
fn save(numbers: &[u32]) {
    println!("{numbers:?}");
}

#[step(chunk = 100, threads = 4)]
fn load() {
    flights | number | save
}

fn main() {}
