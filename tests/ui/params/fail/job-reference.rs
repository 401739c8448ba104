use batch_runtime::prelude::*;

#[step]
fn load() {}

#[job]
fn etl(input: &Path, region: &str) {
    load;
}

fn main() {}
