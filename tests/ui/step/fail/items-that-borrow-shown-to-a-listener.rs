use batch_runtime::prelude::*;
use batch_runtime::Failure;

#[derive(Deserialize)]
struct City<'r> {
    name: &'r str,
}

#[reader]
fn cities(input: PathBuf) -> Result<CsvReader<City<'_>>, ReadError> {
    CsvReader::open(input)
}

#[processor]
fn shorten(city: City<'_>) -> Result<String, std::fmt::Error> {
    Ok(city.name.to_owned())
}

#[writer]
fn save(cities: &[String]) {
    println!("{cities:?}");
}

#[listener(on_skip_in_process)]
fn report(city: &City<'_>, failure: &Failure) {
    println!("{}: {failure}", city.name);
}

#[step(chunk = 10, skip(std::fmt::Error, limit = 1), listeners(report))]
fn load() {
    cities | shorten | save
}

#[job]
fn loading(input: PathBuf) {
    load;
}

fn main() {}
