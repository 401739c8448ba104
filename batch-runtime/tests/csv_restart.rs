//! A CSV reader that resumes from a position reads exactly the rest, and refuses a file that has changed.
#![cfg(feature = "csv")]

mod folder;

use std::path::Path;

use batch_runtime::Reader;
use batch_runtime::readers::{CsvOptions, CsvPosition, CsvReader};
use folder::Folder;

type Words = Vec<String>;

fn options() -> CsvOptions<Words> {
    CsvReader::options().comment(b'#').flexible()
}

/// Reads the rest, with the place of each record; errors appear as their messages.
fn rest(reader: &mut CsvReader<Words>) -> Vec<(Result<Words, String>, Option<String>)> {
    let mut rest = Vec::new();
    loop {
        match reader.read() {
            Ok(Some(words)) => rest.push((Ok(words), reader.location())),
            Ok(None) => return rest,
            Err(error) => rest.push((Err(error.to_string()), reader.location())),
        }
    }
}

/// Returns a position as a restart sees it: parsed from its text.
fn stored(position: &CsvPosition) -> CsvPosition {
    serde_json::from_str(&serde_json::to_string(position).unwrap()).unwrap()
}

fn resumed(
    path: &Path,
    options: CsvOptions<Words>,
    position: &CsvPosition,
) -> Result<CsvReader<Words>, String> {
    let mut reader = options.open(path).map_err(|error| error.to_string())?;
    reader.resume(stored(position)).map_err(|error| error.to_string())?;
    Ok(reader)
}

/// Proves that after any number of records, a new reader resumes with the rest.
fn resumes_everywhere(path: &Path, options: impl Fn() -> CsvOptions<Words>, records: usize) {
    let whole = rest(&mut options().open(path).unwrap());
    assert_eq!(whole.len(), records);
    let mut first = options().open(path).unwrap();
    for read in 0..=records {
        let position = first.position();
        let mut second = resumed(path, options(), &position).unwrap();
        assert_eq!(second.position(), position, "after {read}");
        assert_eq!(rest(&mut second), whole[read..], "after {read}");
        let _ = first.read();
    }
    assert_eq!(rest(&mut resumed(path, options(), &first.position()).unwrap()), []);
}

const HARD: &str = "\u{FEFF}a,b\r\n#c\r\n1,\"x\r\ny\"\r\n\r\n\"\"\"\n\",2\n# \"\n\n3,\"q\"uote\n4\n\"\",5,6\r\n# end\nlast,\"7\"";

#[test]
fn a_restart_after_any_record_reads_the_rest_of_a_plain_file() {
    let folder = Folder::new();
    for (content, records) in [
        (HARD.to_owned(), 6),
        (format!("{HARD}\r\n"), 6),
        (format!("{HARD}\n\n#x\n"), 6),
        ("a\n".to_owned(), 0),
    ] {
        resumes_everywhere(&folder.file("in.csv", content), options, records);
    }
}

#[test]
fn a_restart_also_counts_bad_records() {
    let folder = Folder::new();
    let content = b"a,b\n1,2\n1\n\xFF,2\n\"long enough to be too long\",1\n3,4\n\"open,5\n6,7\n";
    let strict = || CsvReader::options().longest_record(20);
    resumes_everywhere(&folder.file("in.csv", content), strict, 7);
}

#[test]
fn a_restart_without_a_header_knows_the_number_of_columns() {
    let folder = Folder::new();
    let path = folder.file("in.csv", "\u{FEFF}1,2\n3,4\n5\n6,7\n");
    resumes_everywhere(&path, || CsvReader::options().without_header(), 4);
    resumes_everywhere(&folder.file("empty.csv", ""), || CsvReader::options().without_header(), 0);
}

/// Several buffers long, with quoted line endings.
fn long() -> (String, usize) {
    let record = |row: usize| format!("{row},\"{}\n{row}\"\r\n", "x".repeat(row % 300));
    ("a,b\n".to_owned() + &(0..4_000).map(record).collect::<String>(), 4_000)
}

fn resumes_here_and_there(path: &Path, records: usize) {
    let whole = rest(&mut options().open(path).unwrap());
    assert_eq!(whole.len(), records);
    let mut first = options().open(path).unwrap();
    for read in 0..=records {
        if read % 397 == 0 || read == records {
            let mut second = resumed(path, options(), &first.position()).unwrap();
            assert_eq!(rest(&mut second), whole[read..], "after {read}");
        }
        first.read().unwrap();
    }
}

#[test]
fn a_restart_reads_the_rest_of_a_file_of_many_buffers() {
    let folder = Folder::new();
    let (content, records) = long();
    resumes_here_and_there(&folder.file("in.csv", content), records);
}

#[test]
fn a_restart_of_a_plain_file_does_not_read_it_again() {
    let folder = Folder::new();
    let (content, records) = long();
    let path = folder.file("in.csv", &content);
    let mut first = options().open(&path).unwrap();
    for _ in 0..records - 1 {
        first.read().unwrap();
    }
    let second = resumed(&path, options(), &first.position()).unwrap();
    // Before the position, only the last few bytes are read again: the rest of the file may be filled with
    // anything.
    let mut changed = content.into_bytes();
    let before = changed.len() - 2_000;
    changed[4_096..before].fill(b'"');
    std::fs::write(&path, changed).unwrap();
    let mut third = resumed(&path, options(), &first.position()).unwrap();
    assert_eq!(rest(&mut third).len(), 1);
    assert!(second.progress().unwrap().done > before as u64);
}

#[cfg(feature = "gzip")]
#[test]
fn a_restart_reads_the_rest_of_a_gzip_file() {
    let folder = Folder::new();
    let gzip = |content: &str| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut encoder, content.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    resumes_everywhere(&folder.file("in.csv.gz", gzip(HARD)), options, 6);
    let (content, records) = long();
    resumes_here_and_there(&folder.file("long.csv.gz", gzip(&content)), records);
    // Consecutive members form one file.
    let (front, back) = content.split_at(content.len() / 2);
    resumes_here_and_there(&folder.file("two.csv.GZ", [gzip(front), gzip(back)].concat()), records);
}

#[cfg(feature = "zstd")]
#[test]
fn a_restart_reads_the_rest_of_a_zstandard_file() {
    let folder = Folder::new();
    let zstd = |content: &str| zstd::encode_all(content.as_bytes(), 3).unwrap();
    resumes_everywhere(&folder.file("in.csv.zst", zstd(HARD)), options, 6);
    let (content, records) = long();
    resumes_here_and_there(&folder.file("long.csv.zst", zstd(&content)), records);
}

#[cfg(feature = "zstd")]
#[test]
fn the_progress_of_a_compressed_file_continues_after_a_restart() {
    let folder = Folder::new();
    let (content, records) = long();
    let path = folder.file("in.csv.zst", zstd::encode_all(content.as_bytes(), 3).unwrap());
    let mut first = options().open(&path).unwrap();
    for _ in 0..records {
        first.read().unwrap();
    }
    let progress = first.progress().unwrap();
    assert_eq!((progress.done, progress.total), (progress.total, std::fs::metadata(&path).unwrap().len()));
    let second = resumed(&path, options(), &first.position()).unwrap();
    assert_eq!(second.progress(), Some(progress));
}

/// Uses the position after two records of `content` on `changed`.
fn after_a_change(content: &str, changed: &str) -> Result<usize, String> {
    let folder = Folder::new();
    let path = folder.file("in.csv", content);
    let mut first = options().open(&path).unwrap();
    first.read().unwrap();
    first.read().unwrap();
    std::fs::write(&path, changed).unwrap();
    resumed(&path, options(), &first.position())
        .map(|mut reader| rest(&mut reader).len())
        .map_err(|message| message.replace(&*path.to_string_lossy(), "in.csv"))
}

fn refused(byte: u64, problem: &str) -> Result<usize, String> {
    Err(format!(
        "in.csv was changed since an earlier execution read it up to byte {byte}: {problem}; restore the old file, or start a new instance (`--next`)"
    ))
}

#[test]
fn a_file_that_has_grown_is_the_same() {
    assert_eq!(after_a_change("a\n1\n2\n", "a\n1\n2\n3\n4\n"), Ok(2));
    assert_eq!(after_a_change("a\n1\n2", "a\n1\n2\n3\n"), Ok(1));
    assert_eq!(after_a_change("a\n1\n2", "a\n1\n2\r\n3\r\n"), Ok(1));
}

#[test]
fn a_file_corrected_after_the_position_is_the_same_however_short_it_is() {
    assert_eq!(after_a_change("a\n1\n2\nx\n4\n", "a\n1\n2\n30\n4\n"), Ok(2));
    assert_eq!(after_a_change("a\n1\n2\nx\n4\n", "a\n1\n2\n"), Ok(0));
}

#[test]
fn a_file_that_is_shorter_or_begins_differently_is_refused() {
    assert_eq!(after_a_change("a\n1\n2\n3\n", "a\n1\n"), refused(6, "it is shorter"));
    assert_eq!(
        after_a_change("a\n1\n2\n3\n", ""),
        Err("in.csv is empty: a header line was expected".to_owned())
    );
    assert_eq!(after_a_change("a\n1\n2\n3\n", "a\n1\n5\n3\n"), refused(6, "its beginning differs"));
    assert_eq!(after_a_change("a\n1\n2\n3\n", "a\n0\n1\n2\n3\n"), refused(6, "its beginning differs"));
}

#[test]
fn a_last_line_that_has_grown_is_refused() {
    assert_eq!(after_a_change("a\n1\n2", "a\n1\n25\n"), refused(5, "its last line has grown"));
    assert_eq!(after_a_change("a\n1\n2", "a\n1\n2,5"), refused(5, "its last line has grown"));
}

#[test]
fn a_line_added_or_removed_far_from_the_start_is_refused() {
    let (content, _) = long();
    let folder = Folder::new();
    let path = folder.file("in.csv", &content);
    let mut first = options().open(&path).unwrap();
    for _ in 0..3_000 {
        first.read().unwrap();
    }
    let gone = content.replacen("1000\"\r\n", "\"\r\n", 1);
    assert_ne!(gone, content);
    std::fs::write(&path, gone).unwrap();
    let message = resumed(&path, options(), &first.position()).unwrap_err();
    assert!(message.contains("the line before it differs"), "{message}");
}

#[cfg(feature = "zstd")]
#[test]
fn a_compressed_file_with_fewer_records_is_refused() {
    let folder = Folder::new();
    let (content, records) = long();
    let path = folder.file("in.csv.zst", zstd::encode_all(content.as_bytes(), 3).unwrap());
    let mut first = options().open(&path).unwrap();
    for _ in 0..records {
        first.read().unwrap();
    }
    let shorter = &content.as_bytes()[..content.len() - 10];
    std::fs::write(&path, zstd::encode_all(shorter, 3).unwrap()).unwrap();
    let message = resumed(&path, options(), &first.position()).unwrap_err();
    assert!(message.contains("was changed since"), "{message}");
}
