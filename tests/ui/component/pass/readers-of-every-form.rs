use batch_runtime::prelude::*;

struct Countdown(u32);

impl Reader for Countdown {
    type Item = u32;
    type Position = u32;
    type Error = std::convert::Infallible;

    fn read(&mut self) -> Result<Option<u32>, Self::Error> {
        Ok((self.0 > 0).then(|| {
            self.0 -= 1;
            self.0
        }))
    }
    fn position(&self) -> u32 {
        self.0
    }
    fn resume(&mut self, position: u32) -> Result<(), Self::Error> {
        self.0 = position;
        Ok(())
    }
}

#[reader]
fn object() -> Countdown {
    Countdown(3)
}

#[reader]
fn fallible_object(from: u32) -> Result<Countdown, String> {
    if from > 0 { Ok(Countdown(from)) } else { Err("nothing to count".to_owned()) }
}

#[reader]
fn opaque(input: &Path) -> std::io::Result<Countdown> {
    std::fs::metadata(input).map(|_| Countdown(3))
}

#[reader]
fn opaque_reader() -> impl Reader<Item = u32> {
    Countdown(3)
}

#[reader]
fn iterator() -> impl Iterator<Item = u32> + Send {
    0..3
}

#[reader]
fn iterator_of_results(text: String) -> impl Iterator<Item = Result<u32, std::num::ParseIntError>> {
    text.split(' ').map(str::parse).collect::<Vec<_>>().into_iter()
}

#[resource]
fn prices() -> Vec<u32> {
    vec![3]
}

#[reader]
fn borrows_a_resource(prices: &Vec<u32>) -> impl Iterator<Item = u32> {
    prices.iter().copied()
}

#[reader]
fn named_lifetime<'p>(prices: &'p Vec<u32>, from: usize) -> impl Iterator<Item = u32> + use<'p> {
    prices[from..].iter().copied()
}

#[reader]
fn connected(connection: &Connection, context: &StepContext, job: &JobContext) -> Result<impl Iterator<Item = u32>, Box<dyn std::error::Error>> {
    println!("{} {}", context.step(), job.job());
    let count: u32 = connection.query_row("SELECT count(*) FROM number", [], |row| row.get(0))?;
    Ok(0..count)
}

#[reader]
fn statics() -> impl Iterator<Item = &'static str> {
    ["a", "b"].into_iter()
}

#[writer]
fn print(numbers: &[u32]) {
    println!("{numbers:?}");
}

#[writer]
fn print_texts(texts: &[&'static str]) {
    println!("{texts:?}");
}

#[step(chunk = 2)]
fn all() {
    (object, fallible_object, opaque, opaque_reader, iterator, iterator_of_results, borrows_a_resource, named_lifetime, connected) | print
}

#[step(chunk = 2)]
fn texts() {
    statics | print_texts
}

fn main() {
    assert_eq!(all().components.len(), 10);
    assert_eq!(texts().components.len(), 2);
}
