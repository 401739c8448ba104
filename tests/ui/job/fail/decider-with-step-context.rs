use batch_runtime::prelude::*;

#[decider]
fn quality(step: &StepContext) -> bool {
    step.starts() > 1
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
