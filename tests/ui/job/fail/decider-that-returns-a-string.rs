use batch_runtime::prelude::*;

#[decider]
fn region() -> String {
    "eu".to_owned()
}
#[step]
fn load() {}

#[job]
fn etl() {
    match region {
        "eu" => load,
        _ => {}
    }
}

fn main() {}
