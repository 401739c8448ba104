use batch_runtime::prelude::*;

#[step(chunk_time = "10s")]
fn tidy(input: PathBuf) {
    println!("{input:?}");
}

fn main() {}
