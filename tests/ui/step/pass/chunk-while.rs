use batch_runtime::prelude::*;

#[derive(Clone)]
struct Order {
    customer: String,
    bytes: usize,
}

#[resource]
fn vips() -> Vec<String> {
    vec!["ada".to_owned()]
}

#[chunk_while]
fn same_customer(last: &Order, next: &Order, vips: &Vec<String>) -> bool {
    last.customer == next.customer && !vips.contains(&next.customer)
}

#[chunk_while]
fn small(next: &Order, #[state] bytes: &mut usize, most: u32) -> bool {
    *bytes += next.bytes;
    *bytes <= most as usize
}

#[chunk_while]
pub fn same_line(last: &str, next: &str) -> bool {
    last == next
}

#[reader]
fn orders() -> impl Iterator<Item = Order> {
    ["ada", "ada", "bob", "bob"].into_iter().map(|customer| Order { customer: customer.to_owned(), bytes: 10 })
}

#[reader]
fn lines() -> impl Iterator<Item = String> {
    ["a", "a", "b"].map(String::from).into_iter()
}

#[writer]
fn count(orders: &[Order]) {
    assert!(!orders.is_empty());
}

#[writer]
fn count_lines(lines: &[String]) {
    assert!(!lines.is_empty());
}

const MOST: usize = 100;

#[step(chunk = 1, chunk_while = same_customer, chunk_at_most = MOST)]
fn by_customer() {
    orders | count
}

#[step(chunk = 1, chunk_while = small, threads = 2)]
fn by_size() {
    orders | count
}

#[step(chunk = 2, chunk_while = same_line, chunk_time = "1s")]
fn by_line() {
    lines | count_lines
}

#[job]
fn all(most: u32) {
    by_customer;
    by_size;
    by_line;
}

fn main() {
    let report = batch_runtime::testing::run(&all(15)).unwrap();
    let commits: Vec<_> = report.steps.iter().map(|step| step.counters.commit).collect();
    assert_eq!(commits, [3, 4, 2]);
}
