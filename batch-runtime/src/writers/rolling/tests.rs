//! Tests that the files are exact after any rollback or interruption, at any point.

use std::fs;

use super::*;
use crate::writers::JsonLinesWriter;
use crate::writers::test_folder::{Folder, commit, end, prepared};

impl Folder {
    fn files(&self) -> RollingFiles<JsonLinesWriter<u32>> {
        let folder = self.0.clone();
        rolling(move |n| JsonLinesWriter::create(folder.join(format!("{n:04}"))).footer(|n| n.to_string()))
    }

    /// Returns the items of each complete file, in the order of the files. An unfinished file may remain if a
    /// run after a kill writes other items than the run before it.
    fn items(&self) -> Vec<Vec<u32>> {
        let read = |(number, name): (usize, String)| {
            assert_eq!(name, format!("{number:04}"));
            let text = fs::read_to_string(self.0.join(name)).unwrap();
            let mut numbers: Vec<u32> =
                text.split_terminator('\n').map(|line| line.parse().unwrap()).collect();
            let count = numbers.pop().unwrap();
            assert_eq!(count as usize, numbers.len());
            numbers
        };
        let complete = self.names().into_iter().filter(|name| name.len() == 4);
        complete.enumerate().map(read).collect()
    }
}

type Numbers = Rolling<JsonLinesWriter<u32>>;

fn write(writer: &mut Numbers, items: &[u32]) {
    writer.write(items, &ChunkTransaction::none()).unwrap();
}

#[test]
fn a_file_gets_its_name_only_when_the_chunk_that_completes_it_is_committed() {
    let folder = Folder::new();
    let mut writer = folder.files().every_items(3);
    writer.open(None).unwrap();
    write(&mut writer, &[1, 2, 3, 4]);
    prepared(&mut writer);
    assert!(folder.names().iter().all(|name| name.len() > 4));
    writer.committed().unwrap();
    assert_eq!(folder.names()[0], "0000");
    write(&mut writer, &[5]);
    commit(&mut writer);
    end(&mut writer);
    assert_eq!(folder.names(), ["0000", "0001"]);
    assert_eq!(folder.items(), [vec![1, 2, 3], vec![4, 5]]);
}

#[test]
fn files_are_exact_whatever_is_rolled_back_or_interrupted() {
    let mut state = 7_u32;
    let mut random = |below: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) as usize % below
    };
    for limit in [Limit::Items(1), Limit::Items(4), Limit::Items(7), Limit::Bytes(1), Limit::Bytes(30)] {
        let folder = Folder::new();
        let open = |from: Option<RollingPosition>| {
            let mut writer = match limit {
                Limit::Items(items) => folder.files().every_items(items),
                Limit::Bytes(bytes) => folder.files().every_bytes(bytes),
            };
            writer.open(from).unwrap();
            writer
        };
        let mut writer = open(None);
        let mut items: Vec<u32> = Vec::new();
        let mut committed = (None, 0);
        let mut before = vec![(writer.position(), 0)];
        for step in 0..1_500 {
            match random(10) {
                0..3 => {
                    let more: Vec<u32> =
                        (0..=random(9)).map(|_| u32::try_from(random(60_000)).unwrap()).collect();
                    write(&mut writer, &more);
                    items.extend(more);
                }
                3..5 => before.push((writer.position(), items.len())),
                5..7 => {
                    if random(3) == 0 {
                        // Another writer of the chunk fails to prepare, or the commit fails.
                        writer.prepare(Durability::Process).unwrap();
                    }
                    let back = random(before.len());
                    let (position, length) = before[back].clone();
                    writer.rollback(&position).unwrap();
                    assert_eq!(writer.position(), position, "{limit:?}, step {step}");
                    items.truncate(length);
                    before.truncate(back + 1);
                }
                7..9 => {
                    committed = (Some(commit(&mut writer)), items.len());
                    before = vec![(writer.position(), items.len())];
                }
                // A kill: before the commit, or after it and before the files have their names.
                _ => {
                    match random(3) {
                        0 => {}
                        1 => drop(prepared(&mut writer)),
                        _ => committed = (Some(prepared(&mut writer)), items.len()),
                    }
                    drop(writer);
                    items.truncate(committed.1);
                    writer = open(committed.0.clone());
                    before = vec![(writer.position(), items.len())];
                }
            }
        }
        commit(&mut writer);
        end(&mut writer);
        let files = folder.items();
        assert_eq!(files.concat(), items, "{limit:?}");
        assert!(files.len() > 100, "{}", files.len());
        if let Limit::Items(most) = limit {
            let (last, full) = files.split_last().unwrap();
            assert!(full.iter().all(|file| file.len() as u64 == most) && last.len() as u64 <= most);
        }
    }
}

#[test]
fn a_restart_after_the_last_commit_publishes_all_files_even_twice() {
    let folder = Folder::new();
    let mut writer = folder.files().every_items(2);
    writer.open(None).unwrap();
    write(&mut writer, &[1, 2, 3]);
    prepared(&mut writer);
    writer.seal(Durability::Machine).unwrap();
    let sealed = prepared(&mut writer);
    drop(writer);
    for _ in 0..2 {
        let mut writer = folder.files().every_items(2);
        writer.open(Some(sealed.clone())).unwrap();
        end(&mut writer);
        assert_eq!(folder.items(), [vec![1, 2], vec![3]]);
    }
}

#[test]
fn without_items_there_is_no_file() {
    let folder = Folder::new();
    let mut writer = folder.files().every_items(2);
    writer.open(None).unwrap();
    end(&mut writer);
    assert_eq!(folder.names(), Vec::<String>::new());
}

#[test]
fn files_with_the_same_name_are_refused_even_if_they_may_be_overwritten() {
    let folder = Folder::new();
    let path = folder.0.join("same");
    let same = path.clone();
    let mut writer: Numbers = rolling(move |_| JsonLinesWriter::create(&same).overwrite(true)).every_items(1);
    writer.open(None).unwrap();
    let refused = writer.write(&[1, 2], &ChunkTransaction::none()).unwrap_err().to_string();
    let expected = "files 0 and 1 would both have this name; give each file a name of its own";
    assert_eq!(refused, format!("{}: {expected}", path.display()));
}

#[test]
fn a_chunk_of_too_many_files_is_refused() {
    let folder = Folder::new();
    let mut writer = folder.files().every_items(1);
    writer.open(None).unwrap();
    let items: Vec<u32> = (0..201).collect();
    let begin = writer.position();
    let refused = writer.write(&items, &ChunkTransaction::none()).unwrap_err().to_string();
    assert!(refused.starts_with("a chunk completes more than 200 files; "), "{refused}");
    writer.rollback(&begin).unwrap();
    for chunk in items.chunks(100) {
        write(&mut writer, chunk);
        commit(&mut writer);
    }
    end(&mut writer);
    assert_eq!(folder.items().concat(), items);
}

#[test]
fn an_owner_that_lost_the_files_changes_and_removes_nothing() {
    let folder = Folder::new();
    let mut old = folder.files().every_items(2);
    old.open(None).unwrap();
    write(&mut old, &[1, 2, 3]);
    let committed = commit(&mut old);
    let before = old.position();
    write(&mut old, &[9, 9, 9]);
    prepared(&mut old);

    let mut new = folder.files().every_items(2);
    new.take_over();
    new.open(Some(committed)).unwrap();
    write(&mut new, &[4, 5]);
    commit(&mut new);
    // The previous owner wakes up, and its commit is refused.
    old.rollback(&before).unwrap();
    drop(old);
    write(&mut new, &[6, 7]);
    commit(&mut new);
    end(&mut new);
    assert_eq!(folder.items(), [vec![1, 2], vec![3, 4], vec![5, 6], vec![7]]);
}

/// Has one impl for every type, and a second one for each writer that partitions can use.
trait AmbiguousIfPartitionable<A> {
    fn is_not_partitionable() {}
}

impl<T> AmbiguousIfPartitionable<()> for T {}

impl<T: crate::Partitionable> AmbiguousIfPartitionable<u8> for T {}

#[test]
fn a_rolling_writer_is_not_partitionable() {
    // With two impls, the compiler could not choose one.
    Numbers::is_not_partitionable();
}
