use batch_runtime::prelude::*;

#[step]
fn load() {}

#[job(restartable = "no", max_recoveries = -1, exclusive = 3)]
fn etl() {
    load;
}

fn main() {}
