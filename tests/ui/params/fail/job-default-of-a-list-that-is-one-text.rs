use batch_runtime::prelude::*;

#[step]
fn load(days: Vec<Date>) {
    println!("{days:?}");
}

#[job]
fn etl(#[param(default = "2026-01-31")] days: Vec<Date>) {
    load;
}

fn main() {
    let _ = etl;
}
