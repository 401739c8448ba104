use batch_runtime::prelude::*;

enum Quality {
    Good,
    Bad,
}

#[decider]
fn quality() -> Quality {
    Quality::Good
}
#[step]
fn load() {}

#[job]
fn etl() {
    match quality {
        Quality::Good => load,
        Quality::Bad => fail!(),
    }
}

fn main() {}
