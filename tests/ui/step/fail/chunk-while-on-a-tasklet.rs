use batch_runtime::prelude::*;

#[derive(Debug)]
struct LoadError;

impl std::fmt::Display for LoadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("bad")
    }
}

impl std::error::Error for LoadError {}

#[step(chunk_while = same_day)]
fn tidy(input: PathBuf) -> Result<(), LoadError> {
    println!("{input:?}");
    Err(LoadError)
}

fn main() {}
