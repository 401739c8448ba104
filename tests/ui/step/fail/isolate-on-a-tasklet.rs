use batch_runtime::prelude::*;

#[step(isolate = allow)]
fn tidy(input: PathBuf) {
    println!("{input:?}");
}

fn main() {}
