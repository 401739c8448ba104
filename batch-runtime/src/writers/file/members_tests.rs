//! Tests of compressed files: each committed length ends a complete file, and a rollback to any position is exact.

use std::fs;

use super::*;
use crate::Durability::Machine;

const NAMES: [&str; 2] = ["out.gz", "out.zst"];

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("batch-members-{}", uuid::Uuid::new_v4()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn writer(&self, name: &str) -> TransactionalFile {
        TransactionalFile::new(self.0.join(name))
    }

    /// Returns the text of the one file in the folder.
    fn text(&self) -> String {
        let paths: Vec<_> = fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(paths.len(), 1, "{paths:?}");
        decoded(&fs::read(&paths[0]).unwrap())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Decompresses a whole file.
fn decoded(bytes: &[u8]) -> String {
    use std::io::Read as _;
    let mut text = String::new();
    if bytes.starts_with(&[0x1F]) {
        flate2::bufread::MultiGzDecoder::new(bytes).read_to_string(&mut text).unwrap();
    } else {
        zstd::stream::read::Decoder::new(bytes).unwrap().read_to_string(&mut text).unwrap();
    }
    text
}

fn add(writer: &mut TransactionalFile, text: &str) {
    writer.buffer().unwrap().extend_from_slice(text.as_bytes());
    writer.added(1);
}

fn commit(writer: &mut TransactionalFile) -> FilePosition {
    writer.prepare(Machine).unwrap();
    writer.position()
}

fn publish(writer: &mut TransactionalFile) -> FilePosition {
    writer.seal(Machine).unwrap();
    let sealed = writer.position();
    writer.finish(Machine).unwrap();
    sealed
}

fn stored(position: FilePosition) -> FilePosition {
    serde_json::from_str(&serde_json::to_string(&position).unwrap()).unwrap()
}

#[test]
fn every_committed_length_ends_a_whole_file() {
    for name in NAMES {
        let folder = Folder::new();
        let mut writer = folder.writer(name);
        writer.open(None).unwrap();
        let mut text = String::new();
        for chunk in 0..20 {
            for line in 0..chunk {
                let line = format!("chunk {chunk}, line {line}\n");
                add(&mut writer, &line);
                text += &line;
            }
            let committed = commit(&mut writer);
            assert_eq!(committed.buffered, 0);
            let file = fs::read(&writer.part).unwrap();
            assert_eq!(file.len() as u64, committed.length);
            if chunk > 0 {
                assert_eq!(decoded(&file), text, "{name}, chunk {chunk}");
            }
        }
        publish(&mut writer);
        assert_eq!(folder.text(), text);
    }
}

#[test]
fn a_restart_goes_on_from_any_commit() {
    for name in NAMES {
        for died in [0, 1, 5] {
            let folder = Folder::new();
            let mut writer = folder.writer(name);
            writer.open(None).unwrap();
            let mut committed = None;
            for chunk in 0..died {
                add(&mut writer, &format!("{chunk}\n"));
                committed = Some(stored(commit(&mut writer)));
            }
            add(&mut writer, "not committed\n");
            writer.flush().unwrap();
            drop(writer);
            let mut writer = folder.writer(name);
            writer.open(committed).unwrap();
            add(&mut writer, "restarted\n");
            commit(&mut writer);
            publish(&mut writer);
            let before: Vec<_> = (0..died).map(|chunk| format!("{chunk}\n")).collect();
            assert_eq!(folder.text(), before.concat() + "restarted\n");
        }
    }
}

#[test]
fn a_rollback_is_exact_at_any_place_of_a_chunk_whatever_was_written_out_in_between() {
    let mut state = 7_u32;
    let mut random = |below: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) % below
    };
    for name in NAMES {
        let folder = Folder::new();
        let mut writer = folder.writer(name);
        writer.open(None).unwrap();
        let mut text = String::new();
        let mut before = vec![(writer.position(), 0)];
        for step in 0..3_000 {
            match random(9) {
                0..3 => {
                    let line = format!("step {step} {}\n", "x".repeat(random(30) as usize));
                    add(&mut writer, &line);
                    text += &line;
                }
                3..5 => before.push((writer.position(), text.len())),
                5..7 => {
                    let back = random(u32::try_from(before.len()).unwrap()) as usize;
                    let (position, length) = before[back];
                    writer.rollback(position).unwrap();
                    assert_eq!(writer.position(), position);
                    text.truncate(length);
                    before.truncate(back + 1);
                }
                // The buffer is written before the commit, as if it had grown too large.
                7 => writer.flush().unwrap(),
                _ => before = vec![(commit(&mut writer), text.len())],
            }
        }
        publish(&mut writer);
        assert_eq!(folder.text(), text, "{name}");
    }
}

#[test]
fn a_chunk_of_any_size_takes_little_memory_and_is_rolled_back_as_a_whole() {
    for name in ["out.txt", NAMES[1]] {
        let folder = Folder::new();
        let mut writer = folder.writer(name);
        writer.open(None).unwrap();
        let write = |writer: &mut TransactionalFile, items: &[u32]| {
            writer.add_records(items, |item, out| {
                let refused = Refusal { field: None, problem: "it is 7".to_owned() };
                out.resize(out.len() + 100_000, b'x');
                if *item == 7 { Err(refused) } else { Ok(()) }
            })
        };
        write(&mut writer, &[1]).unwrap();
        let mut items = vec![1; 500];
        write(&mut writer, &items).unwrap();
        assert!(writer.buffer.capacity() < 4 * SPILL, "{}", writer.buffer.capacity());
        let before = writer.position();
        items[490] = 7;
        let refused = write(&mut writer, &items).unwrap_err().to_string();
        assert!(refused.ends_with("record 992: it is 7"), "{refused}");
        assert_eq!(writer.position(), before);
        publish(&mut writer);
        let bytes = fs::read(folder.0.join(name)).unwrap();
        let length = if name == "out.txt" { bytes.len() } else { decoded(&bytes).len() };
        assert_eq!(length, 501 * 100_000);
    }
}

#[test]
fn a_file_without_records_is_valid_in_its_format() {
    for name in NAMES {
        let folder = Folder::new();
        let mut writer = folder.writer(name);
        writer.open(None).unwrap();
        publish(&mut writer);
        assert!(fs::metadata(folder.0.join(name)).unwrap().len() > 0);
        assert_eq!(folder.text(), "");
    }
}

#[test]
fn partitions_are_joined_under_one_header_at_whatever_level_each_was_compressed() {
    for name in NAMES {
        let folder = Folder::new();
        folder.writer(name).open(None).unwrap();
        let part = |number: u32, text: &str| {
            let mut part = folder.writer(name);
            part.of_partition(number);
            part.compression_level(i32::try_from(number).unwrap() + 1);
            part.open(None).unwrap();
            if !text.is_empty() {
                add(&mut part, "header of some length, of some length\n");
                part.end_header().unwrap();
                add(&mut part, text);
            }
            commit(&mut part);
            publish(&mut part)
        };
        let parts = [part(0, "a\n"), part(1, ""), part(5, "b\n"), part(8, "c\n")];
        let mut numbered = vec![Some(parts[0]), Some(parts[1]), None, None, None, Some(parts[2])];
        numbered.truncate(2);
        for (number, position) in [(2, parts[2]), (3, parts[3])] {
            let place = |number| partition::place(&folder.0.join(name), position.tag, number);
            fs::rename(place(if number == 2 { 5 } else { 8 }), place(number)).unwrap();
            numbered.push(Some(position));
        }
        let mut whole = folder.writer(name);
        whole.open(None).unwrap();
        whole.merge(numbered, b"").unwrap();
        publish(&mut whole);
        whole.clear(4).unwrap();
        assert_eq!(folder.text(), "header of some length, of some length\na\nb\nc\n");
    }
}

#[test]
fn a_file_that_was_begun_in_another_format_is_refused() {
    let folder = Folder::new();
    let mut writer = folder.writer("out.gz");
    writer.open(None).unwrap();
    add(&mut writer, "a\n");
    let committed = commit(&mut writer);
    drop(writer);
    // Older versions wrote such a file without compressing it.
    let plain = FilePosition { compression: None, ..committed };
    let refused = folder.writer("out.gz").open(Some(plain)).unwrap_err().to_string();
    assert!(
        refused.ends_with(
            "an earlier execution began the file without compression, but its name asks for a file with gzip compression; start a new instance (`--next`)"
        ),
        "{refused}"
    );
    folder.writer("out.gz").open(Some(FilePosition { finishing: true, ..plain })).unwrap();
}

#[test]
fn a_level_that_does_not_exist_is_refused() {
    let folder = Folder::new();
    for (name, level, expected) in [
        ("out.gz", 10, "gzip has no compression level 10; choose one from 0 to 9"),
        ("out.gz", -1, "gzip has no compression level -1; choose one from 0 to 9"),
        ("out.zst", 23, "Zstandard has no compression level 23; choose one from 1 to 22"),
    ] {
        let mut writer = folder.writer(name);
        writer.compression_level(level);
        let refused = writer.open(None).unwrap_err().to_string();
        assert!(refused.contains(expected), "{refused}");
    }
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 0);
}

#[test]
fn a_takeover_by_force_goes_on_with_a_copy_of_whole_members() {
    for name in NAMES {
        let folder = Folder::new();
        let mut old = folder.writer(name);
        old.open(None).unwrap();
        add(&mut old, "committed\n");
        let committed = commit(&mut old);
        add(&mut old, "not committed\n");
        let mid = old.position();
        let mut new = folder.writer(name);
        new.take_over();
        new.open(Some(committed)).unwrap();
        // The previous owner wakes up, and rolls back its own file.
        old.flush().unwrap();
        old.rollback(mid).unwrap();
        old.flush().unwrap();
        add(&mut new, "new\n");
        let mid = new.position();
        new.flush().unwrap();
        new.rollback(mid).unwrap();
        commit(&mut new);
        publish(&mut new);
        assert_eq!(folder.text(), "committed\nnew\n");
    }
}
