use batch_runtime::prelude::*;

#[step]
fn load() {}
#[step]
fn report() {}

#[job]
fn etl() {
    loop {
        load;
        break;
        report;
    }
}

fn main() {}
