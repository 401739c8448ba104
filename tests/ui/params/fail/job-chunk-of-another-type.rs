use batch_runtime::prelude::*;

#[reader]
fn numbers() -> impl Iterator<Item = u32> {
    0..3
}

#[writer]
fn print(numbers: &[u32]) {
    println!("{numbers:?}");
}

#[step(chunk = chunk_size)]
fn load() {
    numbers | print
}

#[job]
fn etl(chunk_size: u32) {
    load;
}

fn main() {
    let _ = etl;
}
