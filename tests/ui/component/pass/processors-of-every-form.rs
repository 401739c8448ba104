use batch_runtime::prelude::*;

#[reader]
fn lines() -> impl Iterator<Item = String> {
    ["1 2".to_owned()].into_iter()
}

#[processor]
fn by_value(line: String) -> String {
    line
}

#[processor]
fn by_reference(line: &String) -> String {
    line.clone()
}

#[processor]
fn by_str(line: &str) -> String {
    line.to_owned()
}

#[processor]
fn filters(line: &str, empty: bool, prefix: &str, limit: Option<usize>) -> Option<String> {
    (empty || line.starts_with(prefix) || limit.is_some()).then(|| line.to_owned())
}

#[processor]
fn multiplies(line: String) -> Many<Vec<String>> {
    Many(line.split(' ').map(str::to_owned).collect())
}

#[processor]
fn fails(line: String) -> Result<String, std::fmt::Error> {
    Ok(line)
}

#[processor]
fn fails_or_filters(line: String) -> Result<Option<String>, &'static str> {
    Ok(Some(line))
}

#[processor]
fn fails_or_multiplies(line: String) -> anyhow::Result<Many<[String; 2]>> {
    Ok(Many([line.clone(), line]))
}

#[derive(Debug)]
enum Own {
    Bad,
}

impl std::fmt::Display for Own {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}

#[processor]
fn only_shown(line: String) -> Result<Vec<u8>, Own> {
    if line.is_empty() { Err(Own::Bad) } else { Ok(line.into_bytes()) }
}

#[processor]
fn by_slice(bytes: &[u8], #[state] seen: &mut Seen) -> usize {
    seen.bytes += bytes.len();
    seen.bytes
}

#[derive(Default, Serialize, Deserialize)]
struct Seen {
    bytes: usize,
}

#[processor(bulk)]
fn bulk(sizes: &[usize]) -> Vec<Option<usize>> {
    sizes.iter().map(|size| Some(*size)).collect()
}

#[processor(bulk)]
fn bulk_of_results(sizes: &[usize], #[state] calls: &mut u32) -> Result<Vec<Result<usize, String>>, std::io::Error> {
    *calls += 1;
    Ok(sizes.iter().map(|size| Ok(*size)).collect())
}

#[processor(bulk)]
fn bulk_plain(sizes: &[usize]) -> Vec<usize> {
    sizes.to_vec()
}

#[processor]
fn destructured((mut a, b): (usize, usize)) -> usize {
    a += b;
    a
}

#[processor]
fn pair(size: usize) -> (usize, usize) {
    (size, size)
}

mod error {
    pub type Result<T> = std::result::Result<T, String>;
}

#[processor]
fn alias(size: usize) -> error::Result<usize> {
    Ok(size)
}

#[writer]
fn print(sizes: &[usize]) {
    println!("{sizes:?}");
}

#[step(chunk = 2)]
fn all() {
    lines | by_value | by_reference | by_str | filters | multiplies | fails | fails_or_filters | fails_or_multiplies
        | only_shown | by_slice | bulk | bulk_of_results | bulk_plain | pair | destructured | alias | print
}

fn main() {
    assert_eq!(all().components.len(), 18);
    assert_eq!(destructured(pair(2)), 4);
}
