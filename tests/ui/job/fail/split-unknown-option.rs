use batch_runtime::prelude::*;

#[step]
fn load() {}
#[step]
fn report() {}

#[job]
fn etl() {
    split! { mx = 2; load, report }
}

fn main() {}
