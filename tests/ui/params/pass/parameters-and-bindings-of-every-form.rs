use batch_runtime::prelude::*;
use batch_runtime::ParameterValue;

#[derive(Debug, Clone, Copy, PartialEq, ParameterType)]
enum Region {
    Eu,
    #[param(name = "us-1")]
    UsEast,
    FarEast,
}

const REGION: Region = Region::FarEast;
const LIMIT: u32 = 7;

mod names {
    pub const FILE: &str = "flights.csv";
}

#[reader]
fn numbers(from: u32, path: PathBuf, name: String, region: Region, scale: f64, until: Option<i64>, quick: bool) -> impl Iterator<Item = u32> {
    println!("{} {name} {region:?} {scale} {until:?} {quick}", path.display());
    from..10
}

#[writer]
fn print(numbers: &[u32]) {
    println!("{}", numbers.len());
}

#[step(chunk = 2)]
fn by_name() {
    numbers | print
}

#[step(chunk = 2)]
fn by_parameters() {
    numbers(from = start, path = input, until = end) | print
}

#[step(chunk = 2)]
fn by_constants() {
    numbers(from = LIMIT, path = names::FILE, name = "x", region = REGION, scale = 1.5, until = -3, quick = true) | print
}

#[step(chunk = 2)]
fn by_expressions() {
    numbers(from = LIMIT + 1, region = Region::Eu, until = Some(3_i64), scale = 2.0 * 3.0) | print
}

fn main() {
    assert_eq!(Region::VALUES, ["eu", "us-1", "far-east"]);
    assert_eq!(Region::parse("us-1"), Ok(ParameterValue::String("us-1".into())));
    assert_eq!(Region::parse("us").unwrap_err(), "`eu`, `us-1` or `far-east` is expected");
    assert_eq!(Region::from_value(Region::UsEast.to_value().as_ref()), Ok(Region::UsEast));
    assert_eq!(by_constants().components[0].bindings.len(), 7);
    let _ = (by_name(), by_parameters(), by_expressions());
}
