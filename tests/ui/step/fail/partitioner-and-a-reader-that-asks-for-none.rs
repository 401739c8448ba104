use batch_runtime::prelude::*;

#[derive(Serialize, Deserialize)]
struct Range {
    first: u32,
}

#[partitioner]
fn ranges() -> Vec<(String, Range)> {
    vec![("all".to_owned(), Range { first: 0 })]
}

#[reader]
fn numbers() -> impl Iterator<Item = u32> {
    0..10
}

#[writer]
fn save(numbers: &[u32]) {
    println!("{numbers:?}");
}

#[step(chunk = 10, partitioner = ranges)]
fn load() {
    numbers | save
}

fn main() {}
