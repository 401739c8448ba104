//! Prints the lines of a file that contain a word.
use batch_runtime::prelude::*;
use std::io::{self, BufRead};
#[reader]
fn lines(input: PathBuf) -> io::Result<impl Iterator<Item = io::Result<String>>> {
    Ok(io::BufReader::new(std::fs::File::open(input)?).lines())
}
#[processor]
fn matching(line: String, word: &str) -> Option<String> {
    line.contains(word).then_some(line)
}
#[writer]
fn print(lines: &[String]) {
    println!("{}", lines.join("\n"));
}
#[step(chunk = 100)]
fn search() {
    lines | matching | print
}
#[job]
fn hello_job(input: PathBuf, word: String) {
    search;
}
batch_runtime::main!(hello_job);
