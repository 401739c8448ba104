//! Tests where a file is written and with which permissions, and that other files are left alone.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use super::*;
use crate::Durability::Machine;

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("batch-place-{}", uuid::Uuid::new_v4()));
        fs::create_dir(&path).unwrap();
        fs::create_dir(path.join("far")).unwrap();
        Self(fs::canonicalize(path).unwrap())
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn writer(&self, name: &str) -> TransactionalFile {
        let mut writer = TransactionalFile::new(self.at(name));
        writer.overwrite(true);
        writer
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.at(name)).unwrap()
    }

    fn names(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.at(folder)).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn refuses(&self, name: &str, expected: &str) {
        let before = self.names("");
        let refused = self.writer(name).open(None).unwrap_err().to_string();
        assert_eq!(refused.replace(&format!("{}/", self.0.display()), ""), expected);
        assert_eq!(self.names(""), before);
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn commit(writer: &mut TransactionalFile, text: &str) -> FilePosition {
    writer.buffer().unwrap().extend_from_slice(text.as_bytes());
    writer.added(1);
    writer.prepare(Machine).unwrap();
    // As stored in a repository.
    serde_json::from_str(&serde_json::to_string(&writer.position()).unwrap()).unwrap()
}

fn finish(mut writer: TransactionalFile) {
    writer.seal(Machine).unwrap();
    writer.finish(Machine).unwrap();
}

fn write(mut writer: TransactionalFile, text: &str) {
    writer.open(None).unwrap();
    commit(&mut writer, text);
    finish(writer);
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_link_is_followed_to_its_end_and_stays_a_link() {
    let folder = Folder::new();
    fs::write(folder.at("far/real.csv"), "old").unwrap();
    symlink("far/real.csv", folder.at("link.csv")).unwrap();
    symlink(folder.at("link.csv"), folder.at("out.csv")).unwrap();
    let mut writer = folder.writer("out.csv");
    writer.open(None).unwrap();
    commit(&mut writer, "new");
    assert_eq!(folder.read("out.csv"), "old");
    assert_eq!(folder.names("far").len(), 2, "it is written next to the file");
    finish(writer);
    assert_eq!(folder.read("far/real.csv"), "new");
    assert_eq!(folder.names("far"), ["real.csv"]);
    assert!(folder.at("out.csv").is_symlink() && folder.at("link.csv").is_symlink());
}

#[test]
fn a_link_to_a_missing_file_creates_that_file() {
    let folder = Folder::new();
    symlink("far/new.csv", folder.at("out.csv")).unwrap();
    let mut writer = TransactionalFile::new(folder.at("out.csv"));
    writer.open(None).unwrap();
    let position = commit(&mut writer, "a");
    drop(writer);
    let mut writer = TransactionalFile::new(folder.at("out.csv"));
    writer.open(Some(position)).unwrap();
    commit(&mut writer, "b");
    finish(writer);
    assert_eq!(folder.read("far/new.csv"), "ab");
    assert!(folder.at("out.csv").is_symlink());
}

#[test]
fn anything_but_a_file_is_refused_and_left_alone() {
    let folder = Folder::new();
    symlink("circle.csv", folder.at("circle.csv")).unwrap();
    folder
        .refuses("circle.csv", "cannot look at circle.csv: Too many levels of symbolic links (os error 40)");
    symlink("gone/x.csv", folder.at("nowhere.csv")).unwrap();
    folder.refuses(
        "nowhere.csv",
        "cannot write gone/x.csv: the folder gone does not exist; create it, or name another file",
    );
    nix::unistd::mkfifo(&folder.at("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    symlink("pipe", folder.at("to-pipe")).unwrap();
    for name in ["pipe", "to-pipe"] {
        folder.refuses(name, "pipe is a pipe or a device: the name of a file was expected");
    }
    symlink("far", folder.at("to-folder")).unwrap();
    folder.refuses("to-folder", "far is a folder: the name of a file was expected");
}

#[test]
fn a_link_that_was_created_while_the_file_was_written_is_not_replaced() {
    let folder = Folder::new();
    let mut writer = folder.writer("out.csv");
    writer.open(None).unwrap();
    commit(&mut writer, "new");
    writer.seal(Machine).unwrap();
    fs::write(folder.at("far/old.csv"), "old").unwrap();
    symlink("far/old.csv", folder.at("out.csv")).unwrap();
    let refused = writer.finish(Machine).unwrap_err();
    assert!(matches!(refused, WriteError::NotAFile { .. }), "{refused}");
    assert!(folder.at("out.csv").is_symlink());
    fs::remove_file(folder.at("out.csv")).unwrap();
    writer.finish(Machine).unwrap();
    assert_eq!(folder.read("out.csv"), "new");
}

#[test]
fn the_mode_of_an_overwritten_file_is_kept_and_the_new_one_is_private_until_then() {
    let folder = Folder::new();
    for kept in [0o660, 0o600, 0o444, 0o640] {
        let _ = fs::remove_file(folder.at("out.csv"));
        fs::write(folder.at("out.csv"), "old").unwrap();
        fs::set_permissions(folder.at("out.csv"), Permissions::from_mode(kept)).unwrap();
        let mut writer = folder.writer("out.csv");
        writer.open(None).unwrap();
        let position = commit(&mut writer, "new");
        assert_eq!(mode(&writer.part), kept | 0o600);
        drop(writer);
        let mut writer = folder.writer("out.csv");
        writer.open(Some(position)).unwrap();
        finish(writer);
        assert_eq!(mode(&folder.at("out.csv")), kept);
        assert_eq!(folder.read("out.csv"), "new");
    }
}

#[test]
fn a_mode_set_while_the_new_file_was_written_is_kept() {
    let folder = Folder::new();
    fs::write(folder.at("out.csv"), "old").unwrap();
    let mut writer = folder.writer("out.csv");
    writer.open(None).unwrap();
    fs::set_permissions(folder.at("out.csv"), Permissions::from_mode(0o600)).unwrap();
    finish(writer);
    assert_eq!(mode(&folder.at("out.csv")), 0o600);
}

#[test]
fn a_copy_for_a_takeover_has_the_mode_of_its_original() {
    let folder = Folder::new();
    fs::write(folder.at("out.csv"), "old").unwrap();
    fs::set_permissions(folder.at("out.csv"), Permissions::from_mode(0o600)).unwrap();
    let mut old = folder.writer("out.csv");
    old.open(None).unwrap();
    let position = commit(&mut old, "secret");
    let mut new = folder.writer("out.csv");
    new.take_over();
    new.open(Some(position)).unwrap();
    assert_eq!(mode(&new.part), 0o600);
}

#[test]
fn a_complete_read_only_file_gets_its_name_after_a_crash() {
    let folder = Folder::new();
    let mut writer = folder.writer("out.csv");
    writer.open(None).unwrap();
    commit(&mut writer, "whole");
    writer.seal(Machine).unwrap();
    let sealed = writer.position();
    fs::set_permissions(&writer.part, Permissions::from_mode(0o444)).unwrap();
    drop(writer);
    let mut writer = folder.writer("out.csv");
    writer.open(Some(sealed)).unwrap();
    writer.finish(Machine).unwrap();
    assert_eq!(folder.read("out.csv"), "whole");
}

#[test]
fn files_of_the_user_that_are_named_like_unfinished_ones_are_left_alone() {
    let folder = Folder::new();
    let names = ["out.csv.part", "out.csv.part.copy", "out.csv.partition0", "out.csv.partition0.part"];
    for name in names {
        fs::write(folder.at(name), "mine").unwrap();
    }
    write(folder.writer("out.csv"), "new");
    let mut whole = folder.writer("out.csv");
    whole.open(None).unwrap();
    let mut part = folder.writer("out.csv");
    part.of_partition(0);
    write(part, "part");
    whole.clear(1).unwrap();
    finish(whole);
    for name in names {
        assert_eq!(folder.read(name), "mine");
    }
    assert_eq!(folder.names("").len(), names.len() + 2);
}

#[test]
fn an_instance_leaves_the_unfinished_file_of_another_alone() {
    let folder = Folder::new();
    let of = |instance: &str| {
        let mut writer = folder.writer("out.csv");
        writer.mark(Mark::new(&[instance]));
        writer
    };
    let mut one = of("one");
    one.open(None).unwrap();
    let position = commit(&mut one, "one ");
    drop(one);
    let mut two = of("two");
    two.open(None).unwrap();
    commit(&mut two, "two and more ");
    drop(two);
    let mut one = of("one");
    one.open(Some(position)).unwrap();
    commit(&mut one, "goes on");
    finish(one);
    assert_eq!(folder.read("out.csv"), "one goes on");
}

#[test]
fn the_unfinished_file_is_found_again_although_the_mark_has_changed() {
    let folder = Folder::new();
    let mut writer = folder.writer("out.csv");
    writer.mark(Mark::new(&["the step under its old name"]));
    writer.open(None).unwrap();
    let position = commit(&mut writer, "a");
    drop(writer);
    let mut writer = folder.writer("out.csv");
    writer.open(Some(position)).unwrap();
    commit(&mut writer, "b");
    finish(writer);
    assert_eq!(folder.read("out.csv"), "ab");
    assert_eq!(folder.names(""), ["far", "out.csv"]);
}

#[test]
fn an_unfinished_file_of_an_older_version_is_continued() {
    let folder = Folder::new();
    fs::write(folder.at("out.csv.part"), "a and what was not committed").unwrap();
    let position = serde_json::from_str(r#"{"length":1,"records":1,"finishing":false}"#).unwrap();
    let mut writer = folder.writer("out.csv");
    writer.open(Some(position)).unwrap();
    commit(&mut writer, "b");
    finish(writer);
    assert_eq!(folder.read("out.csv"), "ab");
    assert_eq!(folder.names(""), ["far", "out.csv"]);
}

#[test]
fn a_name_may_be_as_long_as_the_file_system_allows() {
    let folder = Folder::new();
    for length in 240..=255 {
        let name = "n".repeat(length);
        folder.writer(&name).open(None).unwrap();
        for number in [0, u32::MAX] {
            let mut part = folder.writer(&name);
            part.of_partition(number);
            part.open(None).unwrap();
            let position = commit(&mut part, "part");
            let mut new = folder.writer(&name);
            new.of_partition(number);
            new.take_over();
            new.open(Some(position)).unwrap();
        }
        write(folder.writer(&name), "whole");
        assert_eq!(folder.read(&name), "whole");
    }
}

#[test]
fn a_file_whose_other_names_would_keep_the_old_content_is_refused() {
    let folder = Folder::new();
    fs::write(folder.at("out.csv"), "old").unwrap();
    let mut begun = folder.writer("out.csv");
    begun.open(None).unwrap();
    commit(&mut begun, "new");
    fs::hard_link(folder.at("out.csv"), folder.at("far/copy.csv")).unwrap();
    let expected = "out.csv is one of 2 names of a file (hard links), and the others would keep the old content; remove this name first if that is intended, or else the others";
    let named = |error: WriteError| error.to_string().replace(&format!("{}/", folder.0.display()), "");
    assert_eq!(named(folder.writer("out.csv").open(None).unwrap_err()), expected);
    assert_eq!(named(writable(&folder.at("out.csv")).unwrap_err()), expected);
    // A name that was added in the meantime is noticed before the end, and the data stays.
    begun.seal(Machine).unwrap();
    assert_eq!(named(begun.finish(Machine).unwrap_err()), expected);
    assert_eq!([folder.read("out.csv"), folder.read("far/copy.csv")], ["old", "old"]);
    fs::remove_file(folder.at("out.csv")).unwrap();
    begun.finish(Machine).unwrap();
    assert_eq!([folder.read("out.csv"), folder.read("far/copy.csv")], ["new", "old"]);
}

#[test]
fn writable_checks_whether_a_file_can_be_written_and_creates_nothing() {
    let folder = Folder::new();
    fs::write(folder.at("old.csv"), "old").unwrap();
    symlink("far/new.csv", folder.at("link.csv")).unwrap();
    for name in ["new.csv", "old.csv", "link.csv"] {
        writable(&folder.at(name)).unwrap();
    }
    assert!(matches!(writable(&folder.at("far")), Err(WriteError::Folder { .. })));
    assert!(matches!(writable(&folder.at("gone/new.csv")), Err(WriteError::NoFolder { .. })));
    fs::set_permissions(folder.at("far"), Permissions::from_mode(0o500)).unwrap();
    match writable(&folder.at("link.csv")) {
        Ok(()) => assert!(fs::metadata(&folder.0).unwrap().uid() == 0, "nobody but root may write there"),
        Err(refused) => {
            assert_eq!(
                refused.to_string(),
                format!(
                    "cannot write to the folder {}: Permission denied (os error 13)",
                    folder.at("far").display()
                )
            );
        }
    }
    assert_eq!(folder.names(""), ["far", "link.csv", "old.csv"]);
    assert!(folder.names("far").is_empty());
}
