use batch_runtime::prelude::*;

#[step]
fn load() {}
#[step]
fn report() {}

#[job]
fn etl(workers: u32) {
    split! { max = workers; load, report }
}

fn main() {}
