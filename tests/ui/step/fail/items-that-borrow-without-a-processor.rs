use batch_runtime::prelude::*;

#[derive(Deserialize)]
struct City<'r> {
    name: &'r str,
}

#[reader]
fn cities(input: PathBuf) -> Result<CsvReader<City<'_>>, ReadError> {
    CsvReader::open(input)
}

#[derive(Deserialize)]
struct Owned {
    name: String,
}

#[writer]
fn save(cities: &[Owned]) {
    cities.iter().for_each(|city| println!("{}", city.name));
}

#[step(chunk = 10)]
fn load() {
    cities | save
}

#[job]
fn loading(input: PathBuf) {
    load;
}

fn main() {
    println!("{}", City { name: "" }.name);
}
