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
    'pages: loop {
        match quality {
            Quality::Good => load,
            Quality::Bad => break,
        }
    }
}

fn main() {}
