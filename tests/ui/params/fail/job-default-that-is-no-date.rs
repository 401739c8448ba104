use batch_runtime::prelude::*;

#[step]
fn load(day: Date) {
    println!("{day:?}");
}

#[job]
fn etl(#[param(default = "2026-02-30")] day: Date) {
    load;
}

fn main() {
    let _ = etl;
}
