use batch_runtime::prelude::*;

enum Quality {
    Good,
    Bad,
}

#[decider]
fn quality() -> Quality {
    Quality::Good
}

enum Size {
    Small,
}
#[step]
fn load() {}

#[job]
fn etl() {
    match quality {
        Size::Small => load,
        _ => {}
    }
}

fn main() {}
