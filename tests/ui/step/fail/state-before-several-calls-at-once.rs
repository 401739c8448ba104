use batch_runtime::prelude::*;

#[reader]
fn lines() -> impl Iterator<Item = String> {
    ["a".to_owned()].into_iter()
}

#[derive(Default, Serialize, Deserialize)]
struct Seen(u64);

#[processor]
fn number(line: String, #[state] seen: &mut Seen) -> (u64, String) {
    seen.0 += 1;
    (seen.0, line)
}

#[processor(concurrency = 8)]
fn print(line: (u64, String)) -> String {
    format!("{} {}", line.0, line.1)
}

#[writer]
fn save(_: &[String]) {}

#[step(chunk = 10)]
fn load() {
    lines | number | print | save
}

fn main() {}
