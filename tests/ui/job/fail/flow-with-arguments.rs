use batch_runtime::prelude::*;

#[step]
fn load() {}

#[flow]
fn nightly(input: PathBuf) {
    load;
}

#[job]
fn etl(input: PathBuf) {
    nightly;
}

fn main() {}
