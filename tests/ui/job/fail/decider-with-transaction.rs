use batch_runtime::prelude::*;

#[decider]
fn quality(tx: &Transaction<'_>) -> bool {
    let _ = tx;
    true
}
#[step]
fn load() {}

#[job]
fn etl() {
    while quality {
        load;
    }
}

fn main() {}
