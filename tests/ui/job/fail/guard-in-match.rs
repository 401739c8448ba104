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
fn etl(force: bool) {
    match quality {
        Quality::Bad if force => load,
        _ => {}
    }
}

fn main() {}
