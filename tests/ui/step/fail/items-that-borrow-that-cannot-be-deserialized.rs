use batch_runtime::prelude::*;

struct City<'r> {
    name: &'r str,
}

#[reader]
fn cities(input: PathBuf) -> Result<CsvReader<City<'_>>, ReadError> {
    CsvReader::open(input)
}

fn main() {
    println!("{}", City { name: "" }.name);
}
