//! Tests of a takeover by force: the previous owner still has the file open and locked, and wakes up.

use std::fs;

use super::*;

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("batch-file-{}", uuid::Uuid::new_v4()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn output(&self) -> PathBuf {
        self.0.join("out.txt")
    }

    fn writer(&self) -> TransactionalFile {
        TransactionalFile::new(self.output())
    }

    /// Returns the path of an unfinished form of the output, given its name without the tag.
    fn path(&self, name: &str) -> PathBuf {
        let tag = Tag::new(Mark::default(), &self.output());
        names::unfinished(&self.output(), tag, name.strip_prefix("out.txt").unwrap())
    }

    /// Returns the files in the folder: their names, without tags, and contents.
    fn files(&self) -> Vec<(String, String)> {
        let mut files: Vec<_> = fs::read_dir(&self.0)
            .unwrap()
            .map(|entry| {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                let parts = name.split('.').filter(|part| part.len() != 16);
                (parts.collect::<Vec<_>>().join("."), fs::read_to_string(path).unwrap())
            })
            .collect();
        files.sort();
        files
    }

    fn holds(&self, files: &[(&str, &str)]) {
        let files: Vec<_> =
            files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        assert_eq!(self.files(), files);
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Writes a chunk, and returns the position to commit.
fn write(writer: &mut TransactionalFile, text: &str) -> FilePosition {
    writer.buffer().unwrap().extend_from_slice(text.as_bytes());
    writer.added(1);
    writer.prepare(Durability::Machine).unwrap();
    writer.position()
}

/// Seals the file, and returns the position to commit.
fn seal(writer: &mut TransactionalFile) -> FilePosition {
    writer.seal(Durability::Machine).unwrap();
    writer.position()
}

fn finish(writer: &mut TransactionalFile) -> Result<(), WriteError> {
    writer.finish(Durability::Machine)
}

fn take_over(folder: &Folder, from: Option<FilePosition>) -> TransactionalFile {
    let mut writer = folder.writer();
    writer.take_over();
    writer.open(from).unwrap();
    writer
}

#[test]
fn an_owner_that_lost_the_file_writes_and_publishes_nothing() {
    let folder = Folder::new();
    let mut old = folder.writer();
    old.open(None).unwrap();
    let committed = write(&mut old, "committed\n");
    write(&mut old, "not committed\n");

    let mut new = take_over(&folder, Some(committed));
    write(&mut old, "awake\n");
    write(&mut new, "new\n");
    old.rollback(committed).unwrap();
    write(&mut old, "again\n");
    seal(&mut old);
    assert!(matches!(finish(&mut old), Err(WriteError::Lost { .. })));
    folder.holds(&[("out.txt.part", "committed\nnew\n")]);

    seal(&mut new);
    finish(&mut new).unwrap();
    assert!(matches!(finish(&mut old), Err(WriteError::Lost { .. })));
    folder.holds(&[("out.txt", "committed\nnew\n")]);
}

#[test]
fn an_owner_paused_before_its_first_commit_loses_the_file_as_well() {
    let folder = Folder::new();
    let mut old = folder.writer();
    old.open(None).unwrap();
    write(&mut old, "not committed\n");
    let mut new = take_over(&folder, None);
    write(&mut old, "awake\n");
    write(&mut new, "new\n");
    seal(&mut new);
    finish(&mut new).unwrap();
    seal(&mut old);
    assert!(matches!(finish(&mut old), Err(WriteError::Lost { .. })));
    folder.holds(&[("out.txt", "new\n")]);
}

#[test]
fn without_force_a_file_held_by_another_process_is_refused() {
    let folder = Folder::new();
    let mut old = folder.writer();
    old.open(None).unwrap();
    let committed = write(&mut old, "committed\n");
    for from in [None, Some(committed)] {
        let error = folder.writer().open(from).unwrap_err();
        assert!(matches!(error, WriteError::Held { .. }), "{error}");
    }
    folder.holds(&[("out.txt.part", "committed\n")]);
}

#[test]
fn with_force_a_file_that_nobody_holds_is_continued_in_place() {
    let folder = Folder::new();
    let mut old = folder.writer();
    old.open(None).unwrap();
    let committed = write(&mut old, "committed\n");
    write(&mut old, "not committed\n");
    let file = |folder: &Folder| {
        use std::os::unix::fs::MetadataExt as _;
        fs::metadata(folder.path("out.txt.part")).unwrap().ino()
    };
    let before = file(&folder);
    drop(old);
    let _new = take_over(&folder, Some(committed));
    assert_eq!(file(&folder), before);
    folder.holds(&[("out.txt.part", "committed\n")]);
}

#[test]
fn a_sealed_file_is_published_once_by_either_owner() {
    for old_is_first in [true, false] {
        let folder = Folder::new();
        let mut old = folder.writer();
        old.open(None).unwrap();
        write(&mut old, "whole\n");
        let sealed = seal(&mut old);
        let mut new = take_over(&folder, Some(sealed));
        let mut both = [&mut old, &mut new];
        if !old_is_first {
            both.reverse();
        }
        for writer in both {
            finish(writer).unwrap();
            folder.holds(&[("out.txt", "whole\n")]);
        }
    }
}

#[test]
fn an_owner_that_wakes_up_late_does_not_publish_the_unfinished_file_of_another() {
    let folder = Folder::new();
    let mut old = folder.writer();
    old.overwrite(true);
    old.open(None).unwrap();
    write(&mut old, "whole\n");
    let sealed = seal(&mut old);
    finish(&mut take_over(&folder, Some(sealed))).unwrap();
    let mut other = folder.writer();
    other.overwrite(true);
    other.open(None).unwrap();
    write(&mut other, "half\n");
    finish(&mut old).unwrap();
    folder.holds(&[("out.txt", "whole\n"), ("out.txt.part", "half\n")]);
}

#[test]
fn a_crash_in_the_middle_of_the_copy_leaves_the_file_unchanged_and_the_next_start_cleans_up() {
    let folder = Folder::new();
    let mut old = folder.writer();
    old.open(None).unwrap();
    let committed = write(&mut old, "committed\n");
    for text in ["comm", "committed\nand more than there should be\n"] {
        fs::write(folder.path("out.txt.part.copy"), text).unwrap();
        old = take_over(&folder, Some(committed));
        folder.holds(&[("out.txt.part", "committed\n")]);
    }
    fs::write(folder.path("out.txt.part.copy"), "comm").unwrap();
    drop(old);
    folder.writer().open(Some(committed)).unwrap();
    folder.holds(&[("out.txt.part", "committed\n")]);
}

#[test]
fn a_held_file_that_lost_committed_bytes_is_refused_and_left_alone() {
    let folder = Folder::new();
    let mut old = folder.writer();
    old.open(None).unwrap();
    let committed = write(&mut old, "committed\n");
    fs::OpenOptions::new().write(true).open(folder.path("out.txt.part")).unwrap().set_len(4).unwrap();
    let mut new = folder.writer();
    new.take_over();
    let error = new.open(Some(committed)).unwrap_err();
    assert!(matches!(error, WriteError::Shorter { committed: 10, found: 4, .. }), "{error}");
    folder.holds(&[("out.txt.part", "comm")]);
}

#[test]
fn data_that_could_not_be_cut_off_in_a_rollback_is_cut_off_before_the_file_is_complete() {
    let folder = Folder::new();
    let mut writer = folder.writer();
    writer.open(None).unwrap();
    let committed = write(&mut writer, "committed");
    write(&mut writer, "given up");
    // A file on which every operation fails, as on a disk that fails for a while.
    let read_only = State::Open(LockedFile(File::open(&writer.part).unwrap()));
    let open = std::mem::replace(&mut writer.state, read_only);
    writer.rollback(committed).unwrap_err();
    writer.state = open;
    seal(&mut writer);
    finish(&mut writer).unwrap();
    folder.holds(&[("out.txt", "committed")]);
}
