use batch_runtime::prelude::*;

#[derive(Serialize)]
struct Doubled {
    number: u32,
}

#[reader]
fn numbers() -> impl Iterator<Item = u32> {
    0..3
}

#[processor]
fn double(number: u32) -> Doubled {
    Doubled { number: number * 2 }
}

#[writer]
fn save(numbers: &[Doubled]) {
    println!("{}", numbers[0].number);
}

#[step(chunk = 100, threads = 4, remote)]
fn load() {
    numbers | double | save
}

fn main() {}
