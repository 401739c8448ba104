use batch_runtime::prelude::*;

struct City {
    name: String,
}

#[reader]
fn cities(input: PathBuf) -> Result<CsvReader<City>, ReadError> {
    CsvReader::options().null("NA").open(input)
}

#[writer]
fn print(cities: &[City]) {
    println!("{}", cities[0].name);
}

#[step(chunk = 100)]
fn load() {
    cities | print
}

fn main() {}
