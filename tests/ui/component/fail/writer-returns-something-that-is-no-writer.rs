use batch_runtime::prelude::*;

#[writer]
fn report(output: PathBuf) -> std::io::Result<std::fs::File> {
    std::fs::File::create(output)
}

fn main() {}
