//! Tests that the files are exact after any rollback or interruption, at any point.

use std::fmt::Write as _;
use std::fs;

use super::*;
use crate::writers::JsonLinesWriter;
use crate::writers::test_folder::{Folder, commit, end};

impl Folder {
    /// Writes numbers by their last digit.
    fn digits(&self) -> Digits {
        let folder = self.0.clone();
        by_key(|n: &u32| n % 10, move |digit| JsonLinesWriter::create(folder.join(format!("{digit}.json"))))
    }

    /// Tests that the files hold these items.
    fn holds(&self, items: &[u32]) {
        let mut expected: BTreeMap<String, String> = BTreeMap::new();
        for item in items {
            let file = expected.entry(format!("{}.json", item % 10)).or_default();
            writeln!(file, "{item}").unwrap();
        }
        let found = self.names().into_iter().map(|name| {
            let text = fs::read_to_string(self.0.join(&name)).unwrap();
            (name, text)
        });
        assert_eq!(found.collect::<BTreeMap<_, _>>(), expected);
    }
}

type Digits = ByKey<JsonLinesWriter<u32>, u32>;

fn write(writer: &mut Digits, items: &mut [u32]) {
    writer.arrange(&mut Arranged::new(items));
    writer.write(items, &ChunkTransaction::none()).unwrap();
}

#[test]
fn items_in_any_order_keep_it_in_the_file_of_their_key() {
    let folder = Folder::new();
    let mut writer = folder.digits();
    writer.open(None).unwrap();
    let mut items = [31, 2, 21, 1, 12, 11, 2];
    write(&mut writer, &mut items);
    assert_eq!(items, [31, 21, 1, 11, 2, 12, 2]);
    commit(&mut writer);
    end(&mut writer);
    folder.holds(&items);
}

#[test]
fn files_are_exact_whatever_is_rolled_back_or_interrupted() {
    let mut state = 7_u32;
    let mut random = |below: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) as usize % below
    };
    for keys in [2, 5, 10] {
        let folder = Folder::new();
        let open = |from| {
            let mut writer = folder.digits();
            writer.open(from).unwrap();
            writer
        };
        let mut writer = open(None);
        let mut items: Vec<u32> = Vec::new();
        let mut committed = (None, 0);
        let mut before = vec![(writer.position(), 0)];
        for _ in 0..800 {
            match random(10) {
                0..3 => {
                    let item = |n: usize| u32::try_from(n * 10 + n % keys).unwrap();
                    let mut more: Vec<u32> = (0..=random(9)).map(|_| item(random(6_000))).collect();
                    write(&mut writer, &mut more);
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
                    assert_eq!(writer.position(), position);
                    items.truncate(length);
                    before.truncate(back + 1);
                }
                7..9 => {
                    committed = (Some(commit(&mut writer)), items.len());
                    before = vec![(writer.position(), items.len())];
                }
                _ => {
                    drop(writer);
                    items.truncate(committed.1);
                    writer = open(committed.0.clone());
                    before = vec![(writer.position(), items.len())];
                }
            }
        }
        commit(&mut writer);
        end(&mut writer);
        folder.holds(&items);
    }
}

#[test]
fn the_file_of_a_key_whose_only_items_were_rolled_back_is_removed() {
    let folder = Folder::new();
    let mut writer = folder.digits();
    writer.open(None).unwrap();
    write(&mut writer, &mut [1]);
    let before = writer.position();
    write(&mut writer, &mut [2, 3]);
    writer.rollback(&before).unwrap();
    write(&mut writer, &mut [13]);
    commit(&mut writer);
    end(&mut writer);
    folder.holds(&[1, 13]);
}

#[test]
fn one_key_too_many_is_refused_with_the_key() {
    let folder = Folder::new();
    let mut writer = folder.digits().most_files(2);
    writer.open(None).unwrap();
    write(&mut writer, &mut [1, 2, 11]);
    let refused = writer.write(&[7], &ChunkTransaction::none()).unwrap_err().to_string();
    assert!(
        refused
            .starts_with("the items have more than 2 keys, and each needs an open file: 7 is one too many; "),
        "{refused}"
    );
}

#[test]
fn two_keys_whose_files_have_the_same_name_are_refused() {
    let folder = Folder::new();
    let path = folder.0.join("same");
    let same = path.clone();
    let mut writer: Digits =
        by_key(|n: &u32| n % 10, move |_| JsonLinesWriter::create(&same).overwrite(true));
    writer.open(None).unwrap();
    let refused = writer.write(&[1, 2], &ChunkTransaction::none()).unwrap_err().to_string();
    let expected = "the files of keys 1 and 2 would both have this name; give each file a name of its own";
    assert_eq!(refused, format!("{}: {expected}", path.display()));
}

#[test]
fn a_restart_after_the_last_commit_publishes_all_files_even_twice() {
    let folder = Folder::new();
    let mut writer = folder.digits();
    writer.open(None).unwrap();
    write(&mut writer, &mut [1, 2, 3]);
    commit(&mut writer);
    writer.seal(Durability::Machine).unwrap();
    let sealed = commit(&mut writer);
    drop(writer);
    for _ in 0..2 {
        let mut writer = folder.digits();
        writer.open(Some(sealed.clone())).unwrap();
        end(&mut writer);
        folder.holds(&[1, 2, 3]);
    }
}

/// Has one impl for every type, and a second one for each writer that partitions can use.
trait AmbiguousIfPartitionable<A> {
    fn is_not_partitionable() {}
}

impl<T> AmbiguousIfPartitionable<()> for T {}

impl<T: crate::Partitionable> AmbiguousIfPartitionable<u8> for T {}

#[test]
fn a_writer_by_key_is_not_partitionable() {
    // With two impls, the compiler could not choose one.
    Digits::is_not_partitionable();
}
