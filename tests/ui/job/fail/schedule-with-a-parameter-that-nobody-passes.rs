use batch_runtime::prelude::*;

#[step]
fn load(input: PathBuf) { let _ = input; }

#[job(schedule("0 3 * * MON"))]
fn nightly(input: PathBuf) {
    load;
}

fn main() {}
