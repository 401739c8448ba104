use batch_runtime::prelude::*;

fn positive(limit: &i32) -> bool {
    *limit > 0
}

#[step]
fn load(limit: i64) {
    println!("{limit:?}");
}

#[job]
fn etl(#[param(check = positive)] limit: i64) {
    load;
}

fn main() {
    let _ = etl;
}
