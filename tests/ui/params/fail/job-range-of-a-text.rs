use batch_runtime::prelude::*;

#[step]
fn load(name: String) {
    println!("{name:?}");
}

#[job]
fn etl(#[param(range = 1..=100)] name: String) {
    load;
}

fn main() {
    let _ = etl;
}
