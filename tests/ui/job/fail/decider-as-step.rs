use batch_runtime::prelude::*;

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
    quality;
}

fn main() {}
