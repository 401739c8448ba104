use batch_runtime::prelude::*;

#[derive(Deserialize)]
struct City<'r> {
    name: &'r str,
}

#[reader]
fn cities(input: PathBuf) -> Result<CsvReader<City<'_>>, ReadError> {
    CsvReader::open(input)
}

struct Owned {
    name: String,
}

#[processor]
fn shorten(city: Owned) -> String {
    city.name
}

#[writer]
fn save(cities: &[String]) {
    println!("{cities:?}");
}

#[step(chunk = 10)]
fn load() {
    cities | shorten | save
}

#[job]
fn loading(input: PathBuf) {
    load;
}

fn main() {
    println!("{}", City { name: "" }.name);
}
