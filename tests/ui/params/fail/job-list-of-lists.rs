use batch_runtime::prelude::*;

#[step]
fn load(days: Vec<Date>) {
    println!("{days:?}");
}

#[job]
fn etl(days: Vec<Vec<Date>>) {
    load;
}

fn main() {
    let _ = etl;
}
