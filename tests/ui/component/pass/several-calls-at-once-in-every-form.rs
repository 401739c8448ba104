use batch_runtime::prelude::*;

use batch_runtime::TimedOut;
use batch_runtime::testing::StepTest;

struct Client(String);

#[resource]
fn client() -> Client {
    Client("x".to_owned())
}

#[reader]
fn lines() -> impl Iterator<Item = String> {
    ["one two", "three"].into_iter().map(str::to_owned)
}

#[processor(concurrency = 8, timeout = "2s")]
async fn words(line: &str, client: &Client, prefix: &str, times: u32) -> Result<Many<Vec<String>>, std::io::Error> {
    tokio::task::yield_now().await;
    let marked = |word| format!("{prefix}{word}{}", client.0.repeat(times as usize));
    Ok(Many(line.split(' ').map(marked).collect()))
}

const HOW_MANY: usize = 4;

#[processor(concurrency = HOW_MANY)]
fn long(word: String, least: usize) -> Option<String> {
    (word.len() >= least).then_some(word)
}

#[processor(concurrency = 2)]
fn length(word: &String) -> Result<usize, String> {
    Ok(word.len())
}

#[processor(concurrency = 2)]
async fn as_text(length: usize, _context: &StepContext) -> String {
    length.to_string()
}

#[writer]
fn save(_: &[String]) {}

#[step(chunk = 10, skip(TimedOut, limit = 3), retry(TimedOut, limit = 1))]
fn load() {
    lines | words | long | length | as_text | save
}

fn main() {
    let test = StepTest::<load>::new()
        .parameter("prefix", &"p".to_owned())
        .parameter("times", &2_u32)
        .parameter("least", &7_usize);
    let (lengths, counters) = test.collect().unwrap();
    assert_eq!(lengths, ["8"]);
    assert_eq!((counters.read, counters.filter), (2, 1));
    assert_eq!(long("word".to_owned(), 3), Some("word".to_owned()));
}
