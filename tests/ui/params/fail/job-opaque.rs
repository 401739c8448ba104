use batch_runtime::prelude::*;

#[step]
fn load() {}

#[job]
fn etl(input: impl AsRef<Path>) {
    load;
}

fn main() {}
