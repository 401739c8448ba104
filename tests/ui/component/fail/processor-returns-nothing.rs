use batch_runtime::prelude::*;

#[processor]
fn print(number: u32) {
    println!("{number}");
}

fn main() {}
