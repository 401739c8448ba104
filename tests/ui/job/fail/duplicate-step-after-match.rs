use batch_runtime::prelude::*;

#[step]
fn load() {}
enum Quality {
    Good,
    Bad,
}

#[decider]
fn quality() -> Quality {
    Quality::Good
}

#[job]
fn etl() {
    match quality {
        Quality::Good => load,
        Quality::Bad => {}
    }
    load;
}

fn main() {}
