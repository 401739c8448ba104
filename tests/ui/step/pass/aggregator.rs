use batch_runtime::prelude::*;
use batch_runtime::readers::VecReader;

#[derive(Debug, thiserror::Error)]
#[error("{0} is odd")]
struct Odd(u64);

#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Sum {
    cents: u64,
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Checked(Sum);

#[partitioner]
fn ranges() -> Vec<(String, u64)> {
    vec![("one".to_owned(), 0), ("two".to_owned(), 10)]
}

#[reader]
fn payments() -> VecReader<u64> {
    VecReader::new(vec![1, 2, 3])
}

#[reader]
fn ranged(first: Partition<u64>) -> impl Iterator<Item = u64> {
    *first..*first + 10
}

#[processor]
fn add(cents: u64, #[state] sum: &mut Sum) -> u64 {
    sum.cents += cents;
    cents
}

#[processor]
fn check(cents: u64, #[state] sum: &mut Checked) -> Result<u64, Odd> {
    sum.0.cents += cents;
    if cents % 2 == 0 { Ok(cents) } else { Err(Odd(cents)) }
}

#[processor]
fn once(cents: u64, #[state] last: &mut Option<u64>) -> Option<u64> {
    (last.replace(cents) != Some(cents)).then_some(cents)
}

#[writer]
fn save(cents: &[u64]) {
    println!("{cents:?}");
}

#[aggregator]
pub fn total(parts: Vec<Sum>) -> u64 {
    parts.iter().map(|part| part.cents).sum()
}

#[aggregator]
fn verify(parts: Vec<Checked>, least: u64, step: &StepContext) -> Result<(), String> {
    let checked: u64 = parts.into_iter().map(|Checked(sum)| sum.cents).sum();
    if checked < least { Err(format!("{checked} are too few in {}", step.step())) } else { Ok(()) }
}

#[aggregator]
fn lasts(mut parts: Vec<Option<u64>>, sums: &Output<load>) -> Vec<Option<u64>> {
    parts.push(Some(**sums));
    parts
}

#[step(chunk = 10, partitions = 4, aggregator = total)]
pub fn load() {
    payments | add | check | save
}

#[step(chunk = 10, partitioner = ranges, threads = 2, aggregator = verify, skip(Odd))]
fn verified() {
    ranged | add | check | once | save
}

#[step(chunk = 10, partitions = 4, aggregator = self::lasts)]
fn deduplicated() {
    payments | once | save
}

#[step]
fn report(total: &Output<load>, lasts: Option<&Output<deduplicated>>) {
    println!("{} {:?}", **total, lasts.map(|lasts| lasts.len()));
}

#[job]
fn book(least: u64) {
    load;
    match verified {
        Completed => deduplicated,
        Failed => {}
    }
    report;
}

fn main() {
    let _ = book;
    assert_eq!(total(vec![Sum { cents: 1 }, Sum { cents: 2 }]), 3);
}
