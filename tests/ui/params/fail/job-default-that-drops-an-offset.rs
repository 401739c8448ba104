use batch_runtime::prelude::*;

#[step]
fn load(at: DateTime) {
    println!("{at:?}");
}

#[job]
fn etl(#[param(default = "2026-01-31T10:00+02:00")] at: DateTime) {
    load;
}

fn main() {
    let _ = etl;
}
