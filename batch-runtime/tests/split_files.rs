//! The parts of a file add up to the whole file, whatever their number. Each part restarts after any record,
//! and knows its line numbers.
#![cfg(feature = "csv")]

mod folder;

use std::fmt::Debug;

use batch_runtime::readers::{CsvReader, JsonLinesReader, ReadError};
use batch_runtime::{Reader, Splittable};
use folder::Folder;
use serde::{Serialize, de::DeserializeOwned};

/// Small, stable pseudo-random numbers.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[usize::try_from(self.below(words.len() as u64)).unwrap()]
    }
}

fn stored<T: Serialize + DeserializeOwned>(value: &T) -> T {
    serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap()
}

/// The result of a read, and its place.
type Seen<T> = (Result<T, String>, Option<String>);

fn next<R: Reader<Error = ReadError>>(reader: &mut R) -> Option<Seen<R::Item>> {
    // The hint for a record that is too long is guessed from the part of it in the buffer.
    let message = |error: ReadError| error.to_string().split("; is ").next().unwrap_or_default().to_owned();
    let outcome = reader.read().map_err(message).transpose()?;
    Some((outcome, reader.location()))
}

fn rest<R: Reader<Error = ReadError>>(reader: &mut R) -> Vec<Seen<R::Item>> {
    std::iter::from_fn(|| next(reader)).collect()
}

fn splits<R>(open: impl Fn() -> R, parts: impl IntoIterator<Item = usize>, hint: &str)
where
    R: Splittable<Error = ReadError, Item: PartialEq + Debug>,
{
    let whole = rest(&mut open());
    for number in parts {
        let found = open().split(number).unwrap();
        assert!((1..=number).contains(&found.len()), "{hint}");
        let mut begin = 0;
        for part in &found {
            let narrowed = || {
                let mut reader = open();
                reader.narrow(stored(part)).unwrap();
                reader
            };
            let mut first = narrowed();
            let mut read = 0;
            // Restarts after every record are costly, so only some numbers of parts are tried.
            while ![1, 2, 3, 7, 20].contains(&number) && next(&mut first).is_some() {
                read += 1;
            }
            loop {
                let mut restarted = narrowed();
                restarted.resume(stored(&first.position())).unwrap();
                let left = rest(&mut restarted);
                assert_eq!(left, whole[begin + read..begin + read + left.len()], "{number} parts of {hint}");
                let progress = restarted.progress().unwrap();
                assert_eq!(progress.done, progress.total, "{hint}");
                if next(&mut first).is_none() {
                    assert_eq!(left, []);
                    break;
                }
                read += 1;
            }
            begin += read;
        }
        assert_eq!(begin, whole.len(), "{number} parts of {hint}");
    }
}

fn random_csv(random: &mut Random) -> String {
    let end = random.of(&["\n", "\r\n"]);
    let mut text = random.of(&["", "\u{FEFF}"]).to_owned() + "a,\"b\nc\"" + end;
    for _ in 0..random.below(30) {
        for field in 0..2 {
            text += if field == 0 { "" } else { "," };
            text += random.of(&[
                "1",
                "x y",
                "",
                "\"q\"",
                "\"\n\"",
                "\"a,b\"",
                "\"\r\n\n\"",
                "\"say \"\"no\"\"\"",
                "in\"side",
                "\"\"",
            ]);
        }
        text += random.of(&[end, end, end, "\n\n", "\r\n", ",bad\n", "\n# \"comment\n"]);
    }
    text += random.of(&["", "last,one", "last,\"one\n", "\"un\nclosed"]);
    text
}

#[test]
fn the_parts_of_a_csv_file_add_up_however_it_is_quoted() {
    let (folder, mut random) = (Folder::new(), Random(11));
    for round in 0..25 {
        let text = random_csv(&mut random);
        let path = folder.file("random.csv", &text);
        let open = || CsvReader::<Vec<String>>::options().comment(b'#').open(&path).unwrap();
        splits(open, 1..=20, &format!("round {round}: {text:?}"));
    }
}

#[test]
fn the_parts_of_a_csv_file_without_a_header_know_the_number_of_columns() {
    let folder = Folder::new();
    let path = folder.file("plain.csv", "1,2\n3\n4,5\n6,7,8\n9,10\n11,12\n");
    splits(|| CsvReader::<Vec<u32>>::options().without_header().open(&path).unwrap(), 1..=20, "columns");
}

#[test]
fn the_parts_of_a_file_longer_than_any_buffer_add_up() {
    let (folder, mut random) = (Folder::new(), Random(5));
    let mut text = String::from("a,b\n");
    for _ in 0..8 {
        let long = "y\n,\"\"".repeat(usize::try_from(random.below(40_000)).unwrap());
        text += "1,\"";
        text += &long;
        text += "\"\n";
        text += &"z".repeat(usize::try_from(random.below(400_000)).unwrap());
        text += ",2\n";
    }
    let path = folder.file("long.csv", &text);
    let open = || CsvReader::<Vec<String>>::options().longest_record(200_000).open(&path).unwrap();
    splits(open, [2, 20], "long records");
}

#[test]
fn a_csv_file_with_only_a_header_is_one_empty_part() {
    let folder = Folder::new();
    let path = folder.file("empty.csv", "a,b\n");
    assert_eq!(CsvReader::<Vec<u32>>::open(&path).unwrap().split(9).unwrap().len(), 1);
    splits(|| CsvReader::<Vec<u32>>::open(&path).unwrap(), [1, 9], "no records");
}

#[test]
fn parts_are_about_equal_in_size() {
    let folder = Folder::new();
    let path = folder.file("even.csv", "n\n".to_owned() + &"1234567\n".repeat(1_000));
    let parts = CsvReader::<u32>::open(&path).unwrap().split(8).unwrap();
    for part in parts {
        let mut reader = CsvReader::<u32>::open(&path).unwrap();
        reader.narrow(part).unwrap();
        assert_eq!(rest(&mut reader).len(), 125);
    }
}

#[test]
fn a_part_is_refused_if_the_file_changed_before_it() {
    let folder = Folder::new();
    let path = folder.file("input.csv", "a\n1\n2\n3\n4\n");
    let part = CsvReader::<u32>::open(&path).unwrap().split(2).unwrap().pop().unwrap();
    folder.file("input.csv", "a\n10\n2\n3\n4\n");
    let error = CsvReader::<u32>::open(&path).unwrap().narrow(part).unwrap_err();
    assert!(error.to_string().contains("new instance"), "{error}");
}

#[test]
fn the_parts_of_a_file_of_json_lines_add_up() {
    let (folder, mut random) = (Folder::new(), Random(7));
    for round in 0..25 {
        let mut text = random.of(&["", "\u{FEFF}"]).to_owned();
        for _ in 0..random.below(30) {
            text += random.of(&["1", "22222222", " 3 ", "", "bad", "\r", "4444444444444444444444444444"]);
            text += random.of(&["\n", "\n", "\r\n", "\n\n"]);
        }
        text += random.of(&["", "5", "\n"]);
        let path = folder.file("random.jsonl", &text);
        let open = || JsonLinesReader::<u32>::open(&path).unwrap().longest_record(20);
        splits(open, 1..=20, &format!("round {round}: {text:?}"));
    }
}
