use batch_runtime::prelude::*;

#[step]
fn load() {}
#[step]
fn report() {}

#[job]
fn etl() {
    load;
    end!();
    report;
}

fn main() {}
