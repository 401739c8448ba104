use batch_runtime::prelude::*;

#[writer]
fn print(lines: Vec<String>) {
    println!("{}", lines.len());
}

fn main() {}
