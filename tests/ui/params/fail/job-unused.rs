#![deny(unused_variables)]

use batch_runtime::prelude::*;

#[step]
fn load(day: Date) {
    println!("{day}");
}

#[job]
fn etl(day: Date, limit: u32, _run: u32) {
    load;
}

fn main() {
    let _ = etl;
}
