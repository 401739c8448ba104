use batch_runtime::prelude::*;

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
    numbers(path = 3) | print
}

fn main() {}
