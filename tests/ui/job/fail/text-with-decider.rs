use batch_runtime::prelude::*;

#[step]
fn load() {}

#[decider]
fn quality() -> bool {
    true
}

#[job]
fn etl() {
    load;
    match quality {
        true => fail!("it is {quality}"),
        false => {}
    }
}

fn main() {}
