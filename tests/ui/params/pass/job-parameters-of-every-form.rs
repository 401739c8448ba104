#![deny(warnings)]

use batch_runtime::ParameterValue;
use batch_runtime::prelude::*;

#[derive(Debug, Clone, PartialEq, ParameterType)]
enum Region {
    Eu,
    FarEast,
}

fn even(number: &u32) -> bool {
    number % 2 == 0
}

fn short(name: &str) -> Result<(), String> {
    if name.len() < 9 { Ok(()) } else { Err(format!("{} letters are too many", name.len())) }
}

fn sorted(days: &[Date]) -> bool {
    days.is_sorted()
}

#[reader]
fn numbers(limit: u32, days: Vec<Date>) -> impl Iterator<Item = u32> {
    (0..limit).skip(days.len())
}

#[writer]
fn print(numbers: &[u32], name: &str, region: Region) {
    println!("{numbers:?} {name} {region:?}");
}

#[step(chunk = chunk_size, threads = workers)]
fn load() {
    numbers | print
}

#[step(chunk = 10, partitions = parts, threads = workers)]
fn load_parts() {
    rows | print
}

#[reader]
fn rows() -> VecReader<u32> {
    VecReader::new(vec![1, 2, 3])
}

use batch_runtime::readers::VecReader;

#[step]
fn tell(day: Date, at: DateTime, since: Timestamp, file: PathBuf, factor: f32, share: f64, some: Option<Vec<u64>>, all: u128) {
    println!("{day} {at} {since} {file:?} {factor} {share} {some:?} {all}");
}

#[job]
fn etl(
    #[param(default = "2026-01-31")] day: Date,
    #[param(default = "2026-01-31T08:30")] at: DateTime,
    #[param(default = "2026-01-31T08:30+01:00")] since: Timestamp,
    #[param(default = "in.csv")] file: PathBuf,
    #[param(default = "far-east")] region: Region,
    #[param(default = ["2026-01-31", "2026-02-28"], check = sorted)] days: Vec<Date>,
    #[param(default = 12, range = 1..=100, check = even)] limit: u32,
    #[param(default = "x", check = short)] name: String,
    #[param(default = 0.5, range = 0.0..1.0)] share: f64,
    #[param(default = 0.5)] factor: f32,
    #[param(range = 1..)] some: Option<Vec<u64>>,
    #[param(default = 340_282_366_920_938_463_463_374_607_431_768_211_455)] all: u128,
    #[param(default = 5, identifying = false)] chunk_size: usize,
    #[param(default = 2, identifying = false)] workers: usize,
    #[param(default = 3, identifying = false)] parts: usize,
    #[param(default = 1)] _run: u32,
    #[allow(unused_variables)]
    #[param(default = 1)]
    attempt: u32,
) {
    load;
    load_parts;
    tell;
}

fn main() {
    use batch_runtime::{JobDefinition, Parameters, parse_parameters, resolve_parameters};

    let job = etl::INFO;
    let all = resolve_parameters(job, &Parameters::new()).unwrap();
    let value = |name: &str| all.get(name).unwrap().value.to_string();
    assert_eq!(value("days"), r#"["2026-01-31","2026-02-28"]"#);
    assert_eq!(value("since"), "2026-01-31T07:30:00Z");
    assert_eq!(value("all"), u128::MAX.to_string());
    assert_eq!(all.get("run").unwrap().value, ParameterValue::Long(1));
    assert_eq!(all.get("region").unwrap().value, ParameterValue::String("far-east".into()));

    let refused = |name: &str, text: &str| {
        let given = parse_parameters(job, [(name, text)]).unwrap();
        resolve_parameters(job, &given).unwrap_err().to_string()
    };
    assert_eq!(refused("limit", "102"), "parameter `limit` of job `etl`: a value in 1..=100 is expected, not `102`");
    assert_eq!(refused("limit", "7"), "parameter `limit` of job `etl`: `even` refuses `7`");
    assert_eq!(
        refused("name", "much too long"),
        "parameter `name` of job `etl`: `short` refuses `much too long`: 13 letters are too many"
    );
    assert_eq!(
        refused("some", "0"),
        r#"parameter `some` of job `etl`: each a value in 1.. is expected, not `["0"]`"#
    );
    assert_eq!(
        refused("chunk_size", "0"),
        "parameter `chunk_size` of job `etl`: a number of at least 1 is expected, as the `chunk` of step `load`, not `0`"
    );
    assert!(refused("workers", "0").contains("`threads` of step `load`"));
    assert!(refused("parts", "0").contains("`partitions` of step `load_parts`"));
}
