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
    match quality {
        Quality::Good => {
            load;
            end!("LOADED")
        }
        Quality::Bad => fail!("the file is damaged"),
    }
    report;
}

fn main() {}
