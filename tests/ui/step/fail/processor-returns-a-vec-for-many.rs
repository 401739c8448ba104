use batch_runtime::prelude::*;

#[reader]
fn lines() -> impl Iterator<Item = String> {
    ["a b".to_owned()].into_iter()
}

#[processor]
fn words(line: String) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

#[writer]
fn print(words: &[String]) {
    println!("{words:?}");
}

#[step(chunk = 100)]
fn load() {
    lines | words | print
}

fn main() {}
