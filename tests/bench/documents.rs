//! Measures the readers of JSON arrays and of XML elements: the first against the reader of JSON lines, the second
//! against a loop that cuts out the elements.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::time::Duration;

use batch_runtime::Reader;
use batch_runtime::readers::{JsonArrayReader, JsonLinesReader, ReadError, XmlReader};
use memchr::memmem::Finder;

use crate::data::{self, Sale};
use crate::measure::{self, Pair, Spread, interleaved};
use crate::report::{Row, Target};
use crate::{Outcome, Plan};

/// Adds up what the items hold, so that both sides must have read the same.
fn quantities(mut reader: impl Reader<Item = Sale, Error = ReadError>) -> Outcome<u64> {
    let mut sum = 0;
    while let Some(sale) = reader.read()? {
        sum += u64::from(sale.quantity);
    }
    Ok(sum)
}

fn compare(
    plan: &Plan,
    rows: u64,
    name: &'static str,
    target: Target,
    ours: impl Fn() -> Outcome<u64>,
    by_hand: impl Fn() -> Outcome<u64>,
) -> Outcome<Row> {
    if ours()? != by_hand()? {
        return Err("the two sides read different items".into());
    }
    let timed = |side: &dyn Fn() -> Outcome<u64>| measure::time(|| side().map(drop));
    let pairs = interleaved(plan.rounds(9), || timed(&ours), || timed(&by_hand))?;
    let rate = |side: fn(&Pair) -> Duration| rows as f64 / measure::median_seconds(&pairs, side) / 1e6;
    Ok(Row {
        name,
        unit: "ratio",
        value: Spread::of(pairs.iter().map(|pair| pair.ratio())),
        target,
        detail: format!(
            "{:.2} M items/s, the other {:.2} M items/s",
            rate(|pair| pair.ours),
            rate(|pair| pair.by_hand)
        ),
    })
}

/// The elements of an array against the same objects as lines.
pub(crate) fn json_array(plan: &Plan, name: &'static str) -> Outcome<Row> {
    let rows = plan.size(1_000_000);
    let (array, lines) = (plan.memory.file("sales.json"), plan.memory.file("sales.jsonl"));
    let (mut array_file, mut lines_file) =
        (BufWriter::new(File::create(&array)?), BufWriter::new(File::create(&lines)?));
    let mut before = "[\n";
    for sale in data::sales(rows) {
        let text = serde_json::to_string(&sale)?;
        write!(array_file, "{before}{text}")?;
        writeln!(lines_file, "{text}")?;
        before = ",\n";
    }
    array_file.write_all(b"\n]\n")?;
    array_file.flush()?;
    lines_file.flush()?;
    let ours = || quantities(JsonArrayReader::open(&array)?);
    let row =
        compare(plan, rows, name, Target::must(1.15), ours, || quantities(JsonLinesReader::open(&lines)?));
    std::fs::remove_file(array)?;
    std::fs::remove_file(lines)?;
    row
}

/// XML elements against a loop that looks for their tags and deserializes what is between.
pub(crate) fn xml(plan: &Plan, name: &'static str) -> Outcome<Row> {
    let rows = plan.size(500_000);
    let path = plan.memory.file("sales.xml");
    let mut file = BufWriter::new(File::create(&path)?);
    writeln!(file, "<sales>")?;
    for sale in data::sales(rows) {
        let text = quick_xml::se::to_string_with_root("sale", &sale)?;
        // An empty element would be a value.
        writeln!(file, "{}", text.replace("<discount/>", ""))?;
    }
    writeln!(file, "</sales>")?;
    file.flush()?;
    let ours = || quantities(XmlReader::options().element("sale").open(&path)?);
    let row = compare(plan, rows, name, Target::must(1.25), ours, || cut_out(&path));
    std::fs::remove_file(&path)?;
    row
}

fn cut_out(path: &Path) -> Outcome<u64> {
    let text = std::fs::read_to_string(path)?;
    let (begin, end) = (Finder::new("<sale>"), Finder::new("</sale>"));
    let (mut rest, mut sum) = (text.as_str(), 0);
    while let Some(at) = begin.find(rest.as_bytes()) {
        let length = end.find(&rest.as_bytes()[at..]).ok_or("an element has no end")? + "</sale>".len();
        let sale: Sale = quick_xml::de::from_str(&rest[at..at + length])?;
        sum += u64::from(sale.quantity);
        rest = &rest[at + length..];
    }
    Ok(sum)
}
