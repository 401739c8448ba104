use batch_runtime::prelude::*;

#[step]
fn load(percent: u32) {
    println!("{percent:?}");
}

#[job]
fn etl(#[param(default = 250, range = 1..=100)] percent: u32) {
    load;
}

fn main() {
    let _ = etl;
}
