use batch_runtime::prelude::*;

#[classifier]
fn kind(line: &String) {
    println!("{line}");
}

fn main() {}
