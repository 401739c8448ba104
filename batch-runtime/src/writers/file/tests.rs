//! A takeover by force: the owner before still has the file open and locked, and wakes up.

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

    /// An unfinished form of the output: the name that `holds` calls it by has no tag.
    fn path(&self, name: &str) -> PathBuf {
        let tag = Tag::new(Mark::default(), &self.output());
        names::unfinished(&self.output(), tag, name.strip_prefix("out.txt").unwrap())
    }

    /// What is in it: names, without tags, with contents.
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

/// Writes a chunk, as far as before its commit.
fn write(writer: &mut TransactionalFile, text: &str) -> FilePosition {
    writer.buffer().unwrap().extend_from_slice(text.as_bytes());
    writer.added(1).unwrap();
    writer.prepare(Durability::Machine).unwrap();
    writer.position()
}

/// Seals it, as far as before the commit of that.
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
fn an_owner_that_was_taken_over_from_writes_into_nothing_and_publishes_nothing() {
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
fn an_owner_that_sleeps_before_its_first_commit_is_taken_over_from_as_well() {
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
fn without_force_a_file_that_somebody_holds_is_refused() {
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
fn with_force_a_file_that_nobody_holds_is_gone_on_with_as_it_is() {
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
fn a_sealed_file_is_published_once_whoever_comes_first() {
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
fn an_owner_that_wakes_up_late_does_not_publish_the_unfinished_file_of_somebody_else() {
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
fn a_death_in_the_middle_of_the_copy_leaves_the_file_as_it_was_and_the_next_start_clears_up() {
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
fn what_could_not_be_cut_off_when_it_was_given_up_is_cut_off_before_the_file_is_whole() {
    let folder = Folder::new();
    let mut writer = folder.writer();
    writer.open(None).unwrap();
    let committed = write(&mut writer, "committed");
    write(&mut writer, "given up");
    // A file that nothing can be done to, as on a disk that fails for a while.
    let read_only = State::Open(File::open(&writer.part).unwrap());
    let open = std::mem::replace(&mut writer.state, read_only);
    writer.rollback(committed).unwrap_err();
    writer.state = open;
    seal(&mut writer);
    finish(&mut writer).unwrap();
    folder.holds(&[("out.txt", "committed")]);
}
