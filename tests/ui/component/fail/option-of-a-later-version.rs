use batch_runtime::prelude::*;

#[writer(at_least_once)]
fn save(numbers: &[u32]) {
    println!("{numbers:?}");
}

fn main() {}
