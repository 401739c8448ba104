use batch_runtime::prelude::*;

#[step]
fn load() {}
#[step]
fn report() {}

#[decider]
fn more() -> bool {
    false
}

#[job]
fn etl() {
    loop {
        split! {
            match more {
                true => load,
                false => break,
            },
            report,
        }
    }
}

fn main() {}
