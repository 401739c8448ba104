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
#[step]
fn report() {}

#[job]
fn etl() {
    loop {
        match quality {
            Quality::Good => load,
            Quality::Bad => end!(),
        }
    }
    report;
}

fn main() {}
