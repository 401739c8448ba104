use batch_runtime::prelude::*;

const FROM: u64 = 3;

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
