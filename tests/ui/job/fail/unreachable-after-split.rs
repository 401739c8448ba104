use batch_runtime::prelude::*;

#[step]
fn load() {}
#[step]
fn report() {}

#[job]
fn etl() {
    split! {
        { load; end!() },
        report,
    }
    report as report_again;
}

fn main() {}
