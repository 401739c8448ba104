use batch_runtime::prelude::*;

struct City {
    name: String,
}

#[reader]
fn cities() -> impl Iterator<Item = City> {
    [City { name: "Oslo".to_owned() }].into_iter()
}

#[writer]
fn report(output: PathBuf) -> CsvWriter<City> {
    CsvWriter::create(output).overwrite(true)
}

#[step(chunk = 100)]
fn load() {
    cities | report
}

fn main() {}
