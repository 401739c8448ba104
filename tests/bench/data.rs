//! Generates realistic sales, the same in every run, and the file that contains them.

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufWriter, Write as _};
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

/// A sale whose strings are borrowed from its record.
#[derive(Debug, Deserialize)]
pub(crate) struct SaleText<'r> {
    id: u64,
    #[serde(borrow)]
    customer: Cow<'r, str>,
    country: &'r str,
    #[serde(borrow)]
    product: Cow<'r, str>,
    quantity: u32,
    price: f64,
    discount: Option<f64>,
}

/// Like [`charge`], for a sale whose fields are still text.
#[inline]
pub(crate) fn charge_text(sale: SaleText<'_>) -> Option<Sale> {
    if sale.quantity == 0 {
        return None;
    }
    let SaleText { id, customer, country, product, quantity, price, discount } = sale;
    charge(Sale {
        id,
        customer: customer.into_owned(),
        country: country.to_owned(),
        product: product.into_owned(),
        quantity,
        price,
        discount,
    })
}

/// A flight: the five columns that are used, out of 19.
#[derive(Debug, Deserialize)]
pub(crate) struct Flight<'r> {
    carrier: &'r str,
    #[serde(rename = "flight")]
    number: u32,
    origin: &'r str,
    dest: &'r str,
    dep_delay: Option<f64>,
}

/// A flight that left late.
#[derive(Debug, Serialize)]
pub(crate) struct Delay {
    carrier: String,
    number: u32,
    route: String,
    minutes: f64,
}

/// Filters the flights that left on time: 62 of 100.
#[inline]
pub(crate) fn late(flight: &Flight<'_>) -> Option<Delay> {
    let minutes = flight.dep_delay.filter(|minutes| *minutes > 0.0)?;
    Some(Delay {
        carrier: flight.carrier.to_owned(),
        number: flight.number,
        route: format!("{}-{}", flight.origin, flight.dest),
        minutes,
    })
}

const CARRIERS: [&str; 6] = ["UA", "AA", "B6", "DL", "EV", "MQ"];
const AIRPORTS: [&str; 9] = ["EWR", "JFK", "LGA", "IAH", "MIA", "ATL", "ORD", "LAX", "BOS"];

/// Writes flights as compressed CSV with a header.
pub(crate) fn write_flights(path: &Path, rows: u64) -> Outcome {
    let mut numbers = Numbers(2013);
    let mut file = zstd::Encoder::new(BufWriter::new(File::create(path)?), 3)?;
    writeln!(
        file,
        "year,month,day,dep_time,sched_dep_time,dep_delay,arr_time,sched_arr_time,arr_delay,carrier,flight,tailnum,\
         origin,dest,air_time,distance,hour,minute,time_hour"
    )?;
    for row in 0..rows {
        let (hour, minute) = (5 + numbers.below(18), numbers.below(60));
        let delay = match numbers.below(100) {
            0..38 => (1 + numbers.below(200)).to_string(),
            38..40 => String::new(),
            _ => format!("-{}", numbers.below(15)),
        };
        let (day, month) = (1 + numbers.below(28), 1 + numbers.below(12));
        writeln!(
            file,
            "2013,{month},{day},{hour}{minute:02},{hour}{minute:02},{delay},{}{minute:02},{}{minute:02},{},{},{},N{}UA,{},\
             {},{},{},{hour},{minute},2013-{month:02}-{day:02}T{hour:02}:00:00Z",
            hour + 2,
            hour + 2,
            numbers.below(50),
            numbers.one_of(&CARRIERS),
            1 + row % 6_000,
            10_000 + numbers.below(9_000),
            numbers.one_of(&AIRPORTS),
            numbers.one_of(&AIRPORTS),
            30 + numbers.below(400),
            100 + numbers.below(2_500),
        )?;
    }
    file.finish()?.flush()?;
    Ok(())
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
