use batch_runtime::prelude::*;

#[database]
fn warehouse(path: PathBuf) -> PathBuf {
    path
}

fn main() {}
