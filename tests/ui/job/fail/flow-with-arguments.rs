use batch_runtime::prelude::*;

#[step]
fn load(input: PathBuf) { let _ = input; }

#[flow]
fn nightly(input: PathBuf) {
    load;
}

#[job]
fn etl(input: PathBuf) {
    nightly;
}

fn main() {}
