use batch_runtime::prelude::*;

#[derive(Default, Serialize, Deserialize)]
struct Seen(u32);

#[reader]
fn numbers() -> impl Iterator<Item = u32> {
    0..3
}

#[processor]
fn count(number: u32, #[state] seen: &mut Seen) -> u32 {
    seen.0 += 1;
    number + seen.0
}

#[writer]
fn save(numbers: &[u32]) {
    println!("{numbers:?}");
}

#[step(chunk = 100, threads = 4, remote)]
fn load() {
    numbers | count | save
}

fn main() {}
