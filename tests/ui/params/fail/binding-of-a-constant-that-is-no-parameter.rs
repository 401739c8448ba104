use batch_runtime::prelude::*;

struct From3;

const FROM: From3 = From3;

#[reader]
fn numbers(from: u32, path: PathBuf) -> impl Iterator<Item = u32> {
    println!("{}", path.display());
    from..10
}

#[writer]
fn print(numbers: &[u32]) {
    println!("{}", numbers.len());
}

#[step(chunk = 100)]
fn load() {
    numbers(from = FROM) | print
}

fn main() {}
