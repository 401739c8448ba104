use batch_runtime::prelude::*;

#[step(timeout = "1h")]
fn tidy(input: PathBuf) -> Result<(), std::io::Error> {
    std::fs::remove_file(input)
}

fn main() {}
