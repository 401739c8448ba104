//! Generates realistic sales, the same in every run, and the file that contains them.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::Outcome;

/// One row: what both sides read, process and write.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sale {
    pub(crate) id: u64,
    pub(crate) customer: String,
    pub(crate) country: String,
    pub(crate) product: String,
    pub(crate) quantity: u32,
    pub(crate) price: f64,
    pub(crate) discount: Option<f64>,
}

/// The table for the business rows.
pub(crate) const SALE_TABLE: &str = "CREATE TABLE sale (
    id INTEGER NOT NULL, customer TEXT NOT NULL, country TEXT NOT NULL, product TEXT NOT NULL,
    quantity INTEGER NOT NULL, price REAL NOT NULL, discount REAL)";

const FIRST: [&str; 12] = [
    "Ada",
    "Bo",
    "Charlotte",
    "Dmitri",
    "Émilie",
    "Fatoumata",
    "Guðrún",
    "Hannah",
    "Ian",
    "José",
    "Li",
    "Maximiliane",
];
const LAST: [&str; 12] = [
    "Ng",
    "O'Connor",
    "Papadopoulos",
    "Quist",
    "Rossi",
    "Sánchez",
    "Tanaka",
    "Ueda",
    "van den Berg",
    "Wu",
    "Ximenes",
    "Zuckermandel",
];
const COUNTRIES: [&str; 8] = ["AR", "BE", "DE", "FR", "IS", "JP", "PT", "US"];
/// Two of eight need quoting, and one contains quotes.
const PRODUCTS: [&str; 8] = [
    "Mug",
    "Garden hose 25 m",
    "Lamp, brass",
    "Notebook A5 dotted 160 pages",
    "Monitor 27\" adjustable",
    "Tea",
    "Desk chair with armrests and headrest",
    "Cable USB-C",
];

/// The splitmix64 sequence, random enough for realistic data.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u32) -> u32 {
        u32::try_from(self.next() % u64::from(limit)).expect("a remainder is below its divisor")
    }

    fn one_of(&mut self, choices: &[&'static str]) -> &'static str {
        let limit = u32::try_from(choices.len()).expect("there are few choices");
        choices[self.below(limit) as usize]
    }
}

/// The sales, one after another.
pub(crate) fn sales(rows: u64) -> impl Iterator<Item = Sale> {
    let mut numbers = Numbers(2024);
    (0..rows).map(move |row| Sale {
        id: 1_000_000 + row * 3,
        customer: format!("{} {}", numbers.one_of(&FIRST), numbers.one_of(&LAST)),
        country: numbers.one_of(&COUNTRIES).to_owned(),
        product: numbers.one_of(&PRODUCTS).to_owned(),
        // Exactly one in a hundred is cancelled and filtered out.
        quantity: if row % 100 == 37 { 0 } else { 1 + numbers.below(60) },
        price: f64::from(99 + numbers.below(200_000)) / 100.0,
        discount: (numbers.below(4) == 0).then(|| f64::from(1 + numbers.below(500)) / 1000.0),
    })
}

/// The processing of both sides: cancelled sales are filtered, and discounts are subtracted from the price.
#[inline]
pub(crate) fn charge(mut sale: Sale) -> Option<Sale> {
    if sale.quantity == 0 {
        return None;
    }
    if let Some(discount) = sale.discount {
        sale.price = (sale.price * (1.0 - discount) * 100.0).round() / 100.0;
    }
    Some(sale)
}

/// Writes the sales as CSV with a header; an existing file is reused from an earlier run.
pub(crate) fn write_csv(path: &Path, rows: u64) -> Outcome {
    if path.exists() {
        return Ok(());
    }
    let unfinished = path.with_extension("unfinished");
    let mut writer =
        csv::WriterBuilder::new().buffer_capacity(1 << 20).from_writer(File::create(&unfinished)?);
    for sale in sales(rows) {
        writer.serialize(sale)?;
    }
    writer.flush()?;
    writer.into_inner().map_err(|error| error.to_string())?.flush()?;
    std::fs::rename(unfinished, path)?;
    Ok(())
}
