//! Items that borrow from the record: by value, by reference, as a tuple, as a record, under every option that allows it.

use batch_runtime::prelude::*;
use batch_runtime::readers::CsvRecord;
use batch_runtime::testing::StepTest;
use std::borrow::Cow;

#[derive(Deserialize)]
struct City<'r> {
    name: &'r str,
    #[serde(borrow)]
    country: Option<Cow<'r, str>>,
}

#[reader]
fn cities(input: PathBuf) -> Result<CsvReader<City<'_>>, ReadError> {
    CsvReader::open(input)
}

#[reader]
fn pairs(input: PathBuf) -> Result<CsvReader<(&str, Option<&str>)>, ReadError> {
    CsvReader::options().open(input)
}

#[reader]
fn records(input: PathBuf) -> Result<CsvReader<CsvRecord<'_>>, ReadError> {
    CsvReader::open(input)
}

#[derive(Default, Clone, Serialize, Deserialize)]
struct Count(u64);

#[processor]
fn by_value(city: City<'_>, #[state] count: &mut Count) -> Option<String> {
    count.0 += 1;
    city.country.map(|country| format!("{} {} {country}", count.0, city.name))
}

#[processor]
fn by_reference(city: &City<'_>) -> Result<String, std::fmt::Error> {
    Ok(city.name.to_owned())
}

#[processor]
fn of_a_tuple((name, country): (&str, Option<&str>)) -> Many<Vec<String>> {
    Many([Some(name), country].into_iter().flatten().map(str::to_owned).collect())
}

#[processor]
fn of_a_record(record: CsvRecord<'_>) -> String {
    record.iter().collect()
}

#[writer]
fn save(texts: &[String]) {
    println!("{texts:?}");
}

#[step(chunk = 2)]
fn one() {
    cities | by_value | save
}

#[step(chunk = 2, threads = 2, retry(std::fmt::Error, limit = 1), skip(ReadError, limit = 1))]
fn two() {
    cities | by_reference | save
}

#[step(chunk = 2, partitions = 2)]
fn three() {
    pairs | of_a_tuple | save
}

#[step(chunk = 2)]
fn four() {
    records | of_a_record | save
}

fn main() {
    let path = std::env::temp_dir().join(format!("ui-items-that-borrow-{}.csv", std::process::id()));
    std::fs::write(&path, "name,country\nOslo,NO\nRoma,\n").unwrap();
    let report = StepTest::<one>::new().parameter("input", &path).run().expect("it runs");
    assert_eq!((report.counters.read, report.counters.write), (2, 1));
    let report = StepTest::<two>::new().parameter("input", &path).run().expect("it runs");
    assert_eq!((report.counters.read, report.counters.write), (2, 2));
    let report = StepTest::<three>::new().parameter("input", &path).run().expect("it runs");
    assert_eq!((report.counters.read, report.counters.write), (2, 3));
    let report = StepTest::<four>::new().parameter("input", &path).run().expect("it runs");
    assert_eq!((report.counters.read, report.counters.write), (2, 2));
    std::fs::remove_file(&path).unwrap();
}
