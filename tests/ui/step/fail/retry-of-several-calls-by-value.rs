use batch_runtime::prelude::*;

struct Line(String);

#[reader]
fn lines() -> impl Iterator<Item = Line> {
    [Line("a".to_owned())].into_iter()
}

#[processor(concurrency = 8)]
async fn print(line: Line) -> std::io::Result<String> {
    Ok(line.0)
}

#[writer]
fn save(_: &[String]) {}

#[step(chunk = 10, retry(std::io::Error, limit = 3))]
fn load() {
    lines | print | save
}

fn main() {}
