//! Annotated functions can be called as before: a unit test needs no framework.
use batch_runtime::prelude::*;

#[reader]
fn numbers(from: u32) -> impl Iterator<Item = u32> {
    from..10
}

#[processor]
fn even(number: u32) -> Option<u32> {
    number.is_multiple_of(2).then_some(number)
}

#[processor(bulk)]
fn ranks(points: &[u32]) -> Vec<usize> {
    points.iter().map(|mine| points.iter().filter(|other| *other > mine).count() + 1).collect()
}

#[processor]
fn number(line: String, #[state] seen: &mut u32) -> (u32, String) {
    *seen += 1;
    (*seen, line)
}

#[writer]
fn print(numbers: &[u32]) {
    println!("{numbers:?}");
}

#[derive(Debug, PartialEq)]
enum Size {
    Small,
    Large,
}

#[classifier]
fn size(number: &u32, limit: u32) -> Size {
    if *number < limit { Size::Small } else { Size::Large }
}

#[resource]
fn prices(scale: u32) -> Vec<u32> {
    vec![scale, 2 * scale]
}

#[database]
fn warehouse(warehouse_path: PathBuf) -> Sqlite {
    Sqlite::open(warehouse_path)
}

#[step]
fn total(prices: &Vec<u32>) -> u32 {
    prices.iter().sum()
}

#[step]
fn report(total: &Output<total>, earlier: Option<&Output<total>>) -> String {
    format!("{} {:?}", **total, earlier.is_some())
}

fn main() {
    assert_eq!(numbers(7).filter_map(even).collect::<Vec<_>>(), [8]);
    assert_eq!(ranks(&[3, 5]), [2, 1]);
    let mut seen = 4;
    assert_eq!(number("a".into(), &mut seen), (5, "a".into()));
    print(&[1, 2]);
    assert_eq!(size(&3, 5), Size::Small);
    assert_eq!(size(&5, 5), Size::Large);
    assert_eq!(total(&prices(2)), 6);
    assert!(warehouse("/tmp/w.db".into()).path().ends_with("w.db"));
    assert_eq!(report(&Output::new(6), None), "6 false");
}
