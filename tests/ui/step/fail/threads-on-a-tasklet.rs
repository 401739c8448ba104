use batch_runtime::prelude::*;

#[step(threads = 4)]
fn clean_up(folder: &Path) -> std::io::Result<()> {
    std::fs::remove_dir_all(folder)
}

fn main() {}
