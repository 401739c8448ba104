use batch_runtime::prelude::*;

#[step]
fn load(limit: i64) {
    println!("{limit:?}");
}

#[job]
fn etl(#[param(check = "positive")] limit: i64) {
    load;
}

fn main() {
    let _ = etl;
}
