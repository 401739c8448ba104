use batch_runtime::prelude::*;

#[writer]
fn print() {
    println!("nothing");
}

fn main() {}
