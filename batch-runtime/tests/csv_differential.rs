//! For any well-formed input, the CSV reader and the `csv` crate read the same records, and each reads the
//! output of the other's writer.
#![cfg(feature = "csv")]

mod folder;

use std::fmt::Write as _;

use batch_runtime::readers::CsvReader;
use batch_runtime::writers::CsvWriter;
use batch_runtime::{ChunkTransaction, Durability, Reader, Writer};
use folder::Folder;

/// Yields the same numbers in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }

    fn text(&mut self, pieces: &[&str], most: usize) -> String {
        (0..self.below(most + 1)).map(|_| pieces[self.below(pieces.len())]).collect()
    }
}

fn ours(content: &str) -> Vec<Vec<String>> {
    let folder = Folder::new();
    let path = folder.file("in.csv", content);
    // The `csv` crate reads a misplaced quote as text; our reader refuses it by default.
    let mut reader = CsvReader::options().without_header().flexible().lenient().open(path).unwrap();
    std::iter::from_fn(|| reader.read().unwrap()).collect()
}

fn theirs(content: &str) -> Vec<Vec<String>> {
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(content.as_bytes());
    reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
}

#[test]
fn fields_of_any_kind_are_read_as_the_csv_crate_reads_them() {
    let mut numbers = Numbers(1);
    for round in 0..300 {
        let mut content = String::new();
        // Some inputs are longer than the buffer.
        for _ in 0..if round % 50 == 0 { 20_000 } else { numbers.below(40) } {
            for column in 0..=numbers.below(5) {
                if column > 0 {
                    content.push(',');
                }
                match numbers.below(5) {
                    0 => {
                        let inside = numbers.text(&["a", ",", "\"\"", "\n", "\r\n", "é", "long text"], 6);
                        let after = numbers.text(&["b", "\"", " "], 1);
                        // A quote right after the closing one would double it.
                        write!(content, "\"{inside}\"{}", after.trim_start_matches('"')).unwrap();
                    }
                    1 => write!(content, "x{}", numbers.text(&["\"", "y", "\"\""], 3)).unwrap(),
                    _ => content.push_str(&numbers.text(&["a", "bc", "ü", "12", " "], 8)),
                }
            }
            content.push_str(["\n", "\r\n", "\n\n"][numbers.below(3)]);
        }
        if numbers.below(2) == 0 {
            content.push_str("last,1");
        }
        assert_eq!(ours(&content), theirs(&content), "{content:?}");
    }
}

#[test]
fn any_record_is_written_as_the_csv_crate_writes_it_and_read_back() {
    let mut numbers = Numbers(2);
    // No white space at the edges: our writer quotes it, because some readers would trim it.
    let pieces = ["a", ",", "\"", "\n", "\r", "é", "words of more than sixteen bytes", "x y", ";"];
    for _ in 0..200 {
        let columns = 1 + numbers.below(4);
        let records: Vec<Vec<String>> = (0..=numbers.below(30))
            .map(|_| (0..columns).map(|_| numbers.text(&pieces, 4)).collect())
            .collect();
        let folder = Folder::new();
        let path = folder.path("out.csv");
        let mut writer = CsvWriter::create(&path);
        writer.open(None).unwrap();
        writer.write(&records, &ChunkTransaction::none()).unwrap();
        writer.seal(Durability::Process).unwrap();
        writer.finish(Durability::Process).unwrap();
        let mut expected = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
        for record in &records {
            expected.write_record(record).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap();
        assert_eq!(written, String::from_utf8(expected.into_inner().unwrap()).unwrap());
        assert_eq!(ours(&written), records);
    }
}
