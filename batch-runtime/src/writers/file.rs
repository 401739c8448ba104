//! Writes a file in chunks, each up to a committed length, and renames it once it is complete.
//!
//! The links of the path are followed to their end, and the file is written there as `NAME.TAG.part`. The tag
//! is a hash of the name and of the mark of the step in its job instance, so a user's own file or the
//! unfinished file of another instance has a different name. The position contains the tag. Data after the
//! committed length does not count: `open` cuts it off. At the end, `seal` makes the file complete and
//! durable, the position that says so is committed, and `finish` renames it. After a crash between the last
//! two, the position tells what to do: either `.part` exists (rename it now), or it does not and NAME has the
//! sealed length (it was renamed).
//!
//! While `.part` is being written it is locked, and the lock ends with the process. So if a start without a
//! position finds a `.part`, it is either locked and belongs to a running process (refused), or it was left
//! by an execution that died before its first commit, or that was abandoned (replaced).
//!
//! A launch that takes over by force, or after a lease has expired, finds the lock held if the previous owner is
//! paused. It continues with a copy of the committed data, which replaces `.part` in a single rename: when the
//! previous owner wakes up, it writes to a file without a name. If `.part` were moved aside first and then copied, a
//! crash between the two would leave no `.part` at all, and a stray file that someone would have to find. The previous
//! owner publishes nothing:
//! - If the file is not yet sealed, it has to commit the sealed position first, and that commit is refused.
//! - If the file is sealed, it is no longer written; so no copy is made, and either owner renames the same
//!   file.
//! - The file is checked before the rename: a `.part` that has become another file is left alone.

mod compression;
mod copy;
mod ends;
mod form;
mod forward;
mod leftovers;
mod lock;
mod members;
#[cfg(all(test, feature = "gzip", feature = "zstd"))]
mod members_tests;
mod names;
mod one_file;
mod partition;
mod permissions;
#[cfg(test)]
mod places_tests;
mod records;
#[cfg(feature = "cli")]
mod replace;
#[cfg(test)]
mod tests;
mod writable;

use std::fs::{File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use self::compression::{Compression, Encoder};
pub(super) use self::ends::{Ends, lines_of_text};
use self::form::Form;
pub(super) use self::forward::{file_options, forward_to_file, forward_to_partitions, totals_in_footer};
pub(crate) use self::leftovers::{tag_of, tags_in};
use self::lock::{is_still, lock};
pub(crate) use self::names::Tag;
pub use self::one_file::FileWriter;
pub(super) use self::one_file::{OneFile, Opened, Owner, one_file, refuse_same_name};
use self::partition::Whole;
pub(super) use self::records::{Footer, Refusal};
#[cfg(feature = "cli")]
pub(crate) use self::replace::replace;
pub use self::writable::writable;
use self::writable::{folder_of, refuse, sync_folder};
use super::WriteError;
use crate::definition::resolved_path;
use crate::locked_file::LockedFile;
use crate::{Durability, Mark};

/// A buffer larger than this is written to the file before the chunk ends, so that memory does not grow with
/// the chunk.
const SPILL: usize = 4 * 1024 * 1024;

/// The committed state of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FilePosition {
    /// The length in bytes.
    pub(crate) length: u64,
    /// The number of records in it, without header and footer.
    pub(crate) records: u64,
    /// True if the file is complete, and at most the rename is missing.
    pub(crate) finishing: bool,
    /// For the file of a partition: the length of its header in bytes.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) header: u64,
    /// The tag in the name of its unfinished form; `None` for one named `NAME.part`, as in older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tag: Option<Tag>,
    /// How it is compressed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    compression: Option<Compression>,
    /// The number of bytes that follow in memory, before they are compressed; none at a commit.
    #[serde(default, skip_serializing_if = "is_zero")]
    buffered: u64,
    /// The form of its records.
    #[serde(default, skip_serializing_if = "Form::is_unknown")]
    form: Form,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde requires it")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// A file that is written in chunks and published at the end.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is an independent fact")]
pub(crate) struct TransactionalFile {
    /// The path as given.
    path_as_given: PathBuf,
    /// The path with its links resolved; for a partition, the path of its separate file.
    path: PathBuf,
    part: PathBuf,
    mark: Mark,
    tag: Option<Tag>,
    overwrite: bool,
    /// True if only items that an earlier execution skipped are written.
    replays: bool,
    /// True if a previous owner, which may still hold the file, has lost the right to it.
    takes_over: bool,
    state: State,
    /// The data not yet in the file.
    buffer: Vec<u8>,
    /// The format that the name asks for, and its level.
    compression: Option<Compression>,
    level: Option<i32>,
    /// Compresses the buffer on its way into the file.
    encoder: Option<Encoder>,
    /// The length up to which the file is known to be correct.
    written: u64,
    /// True if a write failed, so that the file may be longer than `written`.
    torn: bool,
    records: u64,
    header: u64,
    form: Form,
    /// The number of the partition that writes it.
    partition: Option<u32>,
    /// The file that a partition's file is a part of.
    whole: Option<Whole>,
    sealed: bool,
    /// True if the file holds data not yet forced to disk.
    unforced: bool,
    /// True once the folder entry of `.part` is on disk.
    entry_durable: bool,
}

#[derive(Debug)]
enum State {
    Closed,
    Open(LockedFile),
    Published,
}

impl TransactionalFile {
    /// Touches nothing before [`open`](Self::open).
    pub(crate) fn new(path: PathBuf) -> Self {
        Self {
            compression: Compression::of_name(&path),
            level: None,
            encoder: None,
            path_as_given: path.clone(),
            part: path.clone(),
            path,
            mark: Mark::default(),
            tag: None,
            overwrite: false,
            replays: false,
            takes_over: false,
            state: State::Closed,
            buffer: Vec::new(),
            written: 0,
            torn: false,
            records: 0,
            header: 0,
            form: Form::default(),
            partition: None,
            whole: None,
            sealed: false,
            unforced: false,
            entry_durable: false,
        }
    }

    /// Allows a fresh start to replace a file of that name at the end.
    pub(crate) fn overwrite(&mut self, yes: bool) {
        self.overwrite = yes;
    }

    /// Sets how much a compressed file is compressed.
    pub(crate) fn compression_level(&mut self, level: i32) {
        self.level = Some(level);
    }

    /// Sets the mark of the owner.
    pub(crate) fn mark(&mut self, mark: Mark) {
        self.mark = mark;
    }

    /// Continues with a copy if another process holds the file: that process has lost the right to it.
    pub(crate) fn take_over(&mut self) {
        self.takes_over = true;
    }

    /// Refuses any file of that name: it may hold the output of the replayed execution.
    pub(crate) fn replays(&mut self) {
        self.replays = true;
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the number of records written, without header and footer.
    pub(crate) fn records(&self) -> u64 {
        self.records
    }

    /// True if the file is empty and no data is buffered.
    pub(crate) fn is_empty(&self) -> bool {
        self.written == 0 && self.buffer.is_empty()
    }

    /// True once the file is complete: nothing may be added.
    pub(crate) fn is_sealed(&self) -> bool {
        self.sealed
    }

    /// Begins, or resumes after a committed position.
    pub(crate) fn open(&mut self, from: Option<FilePosition>) -> Result<(), WriteError> {
        self.buffer.clear();
        self.form = from.unwrap_or_default().form;
        self.find(from)?;
        self.prepare_compression(from)?;
        self.check_shared()?;
        match from {
            None => self.begin()?,
            Some(position) => self.resume(position)?,
        }
        if let State::Open(_) = self.state {
            copy::clear(&self.part);
        }
        Ok(())
    }

    /// Resolves the path to the place where the file is or will be, and names its unfinished form.
    fn find(&mut self, from: Option<FilePosition>) -> Result<(), WriteError> {
        let target = resolved_path(&self.path_as_given)
            .map_err(|error| WriteError::io("find", &self.path_as_given, error))?;
        let own = Tag::new(self.mark, &target);
        self.tag = from.map_or(Some(own), |position| position.tag);
        self.path = match self.partition {
            None => target,
            Some(number) => {
                let place = partition::place(&target, self.tag, number);
                self.whole = Some(Whole { path: target, overwrite: self.overwrite });
                place
            }
        };
        self.part = match (self.tag, self.partition) {
            (Some(tag), None) => names::unfinished(&self.path, tag, ".part"),
            (None, None) => names::with_suffix(&self.path_as_given, ".part"),
            (_, Some(_)) => names::with_suffix(&self.path, ".part"),
        };
        Ok(())
    }

    fn begin(&mut self) -> Result<(), WriteError> {
        self.refuse_existing()?;
        folder_of(&self.path)?;
        let replaced = permissions::of(self.target())?;
        let options = permissions::to_create(replaced.as_ref());
        let file = match lock(&self.part, &options, self.takes_over) {
            Err(WriteError::Held { .. }) if self.takes_over => copy::replace(&self.path, &self.part, 0)?,
            locked => locked?,
        };
        file.set_len(0).map_err(|error| WriteError::io("empty", &self.part, error))?;
        if let Some(replaced) = replaced {
            permissions::adopt(&file, &replaced, true)
                .map_err(|error| WriteError::io("set the mode of", &self.part, error))?;
        }
        self.state = State::Open(file);
        Ok(())
    }

    /// Returns the path of the final file.
    fn target(&self) -> &Path {
        self.whole.as_ref().map_or(&self.path, |whole| &whole.path)
    }

    fn refuse_existing(&self) -> Result<(), WriteError> {
        if let Some(Whole { path, overwrite }) = &self.whole {
            refuse(path, *overwrite)?;
        }
        // The separate file of a partition has a name that only its step uses.
        let overwrite = (self.overwrite && !self.replays) || self.partition.is_some();
        match refuse(&self.path, overwrite) {
            Err(WriteError::Exists { path }) if self.replays => Err(WriteError::Replayed { path }),
            refused => refused,
        }
    }

    fn resume(&mut self, position: FilePosition) -> Result<(), WriteError> {
        let FilePosition { length: committed, records, finishing, header, .. } = position;
        (self.written, self.records, self.sealed, self.header) = (committed, records, finishing, header);
        let options = OpenOptions::new().write(true).read(self.compression.is_some()).clone();
        let mut file = match lock(&self.part, &options, self.takes_over) {
            Ok(file) => file,
            Err(WriteError::Held { .. }) if self.takes_over && finishing => {
                let file = options.open(&self.part);
                LockedFile(file.map_err(|error| WriteError::io("open", &self.part, error))?)
            }
            Err(WriteError::Held { .. }) if self.takes_over => {
                self.entry_durable = true;
                copy::replace(&self.path, &self.part, committed)?
            }
            Err(WriteError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return self.resume_without_part(position);
            }
            // The file has the mode of the read-only file that it replaces, and only the rename is missing.
            Err(WriteError::Io { source, .. })
                if finishing && source.kind() == io::ErrorKind::PermissionDenied =>
            {
                lock(&self.part, OpenOptions::new().read(true), self.takes_over)?
            }
            Err(error) => return Err(error),
        };
        let found = file.metadata().map_err(|error| WriteError::io("look at", &self.part, error))?.len();
        if found < committed {
            let (path, part) = (self.path.clone(), self.part.clone());
            return Err(WriteError::Shorter { path, part, committed, found });
        }
        if found > committed || !finishing {
            cut(&mut file, committed).map_err(|error| WriteError::io("cut", &self.part, error))?;
        }
        self.state = State::Open(file);
        Ok(())
    }

    fn resume_without_part(&mut self, position: FilePosition) -> Result<(), WriteError> {
        let committed = position.length;
        if position.finishing {
            // The rename was done; only the file itself can show that.
            if std::fs::metadata(&self.path).is_ok_and(|found| found.is_file() && found.len() == committed) {
                self.state = State::Published;
                return Ok(());
            }
        } else if committed == 0 {
            // The first commit had nothing to write, and the machine crashed before the folder entry was on
            // disk.
            self.find(None)?;
            return self.begin();
        }
        Err(WriteError::Missing { path: self.path.clone(), part: self.part.clone(), committed })
    }

    /// Returns the buffer to append a header or footer to; [`add_records`](Self::add_records) adds records.
    ///
    /// # Errors
    /// If the file is finished.
    pub(crate) fn buffer(&mut self) -> Result<&mut Vec<u8>, WriteError> {
        if self.sealed {
            return Err(WriteError::Finished { path: self.path.clone() });
        }
        Ok(&mut self.buffer)
    }

    fn file(&mut self) -> Option<&mut File> {
        match &mut self.state {
            State::Open(file) => Some(file),
            State::Closed | State::Published => None,
        }
    }

    /// Hands everything to the operating system, and to the disk if the data must survive a crash of the
    /// machine.
    pub(crate) fn prepare(&mut self, durability: Durability) -> Result<(), WriteError> {
        self.flush()?;
        if self.unforced { self.force(durability, File::sync_data) } else { Ok(()) }
    }

    fn force(&mut self, durability: Durability, sync: fn(&File) -> io::Result<()>) -> Result<(), WriteError> {
        if durability != Durability::Machine {
            return Ok(());
        }
        if let State::Open(file) = &self.state {
            sync(file).map_err(|error| WriteError::io("write", &self.part, error))?;
            self.unforced = false;
        }
        if !self.entry_durable {
            sync_folder(&self.part)?;
            self.entry_durable = true;
        }
        Ok(())
    }

    /// Returns the position to commit.
    pub(crate) fn position(&self) -> FilePosition {
        let buffered = self.buffer.len() as u64;
        // The length that the buffer takes in the file is known only after it is compressed.
        let (length, buffered) = match self.compression {
            None => (self.written + buffered, 0),
            Some(_) => (self.written, buffered),
        };
        let Self { records, sealed: finishing, header, tag, compression, form, .. } = *self;
        FilePosition { length, records, finishing, header, tag, compression, buffered, form }
    }

    /// Rolls back to a position of this execution.
    pub(crate) fn rollback(&mut self, to: FilePosition) -> Result<(), WriteError> {
        (self.records, self.sealed, self.header) = (to.records, to.finishing, to.header);
        if let Some(kept) = to.length.checked_sub(self.written) {
            let kept = kept + to.buffered;
            self.buffer.truncate(usize::try_from(kept).unwrap_or(usize::MAX));
        } else {
            // The bytes that were buffered then are now the beginning of the member that was written next.
            self.buffer = self.read_back(to)?;
            self.written = to.length;
            self.torn = true;
        }
        let written = self.written;
        if self.torn
            && let Some(file) = self.file()
        {
            cut(file, written).map_err(|error| WriteError::io("cut", &self.part, error))?;
            self.torn = false;
        }
        Ok(())
    }

    /// Completes the file; nothing can be added any more.
    pub(crate) fn seal(&mut self, durability: Durability) -> Result<(), WriteError> {
        if self.sealed {
            return Ok(());
        }
        self.flush()?;
        self.complete_members()?;
        self.force(durability, File::sync_all)?;
        self.sealed = true;
        Ok(())
    }

    /// Gives the file its final name; does nothing if it already has it.
    pub(crate) fn finish(&mut self, durability: Durability) -> Result<(), WriteError> {
        if let State::Open(file) = &self.state {
            self.publish(file)?;
            self.state = State::Published;
        }
        // Also sync the folder if the file already has its name: before a crash, the rename may not have reached the
        // disk.
        if durability == Durability::Machine { sync_folder(&self.path) } else { Ok(()) }
    }

    fn publish(&self, file: &File) -> Result<(), WriteError> {
        let is_at =
            |path: &Path| is_still(path, file).map_err(|error| WriteError::io("look at", path, error));
        if !is_at(&self.part)? {
            // The previous owner, or the next one, may have renamed the same file already.
            return if is_at(&self.path)? {
                Ok(())
            } else {
                Err(WriteError::Lost { path: self.part.clone() })
            };
        }
        // Someone may have created the file since the start, or changed its permissions.
        let renamed = self.refuse_existing().and_then(|()| {
            if let Some(replaced) = permissions::of(self.target())? {
                permissions::adopt(file, &replaced, false)
                    .map_err(|error| WriteError::io("set the mode of", &self.part, error))?;
            }
            std::fs::rename(&self.part, &self.path)
                .map_err(|error| WriteError::io("give its final name to", &self.part, error))
        });
        match renamed {
            Err(_) if is_at(&self.path)? => Ok(()),
            renamed => renamed,
        }
    }
}

fn cut(file: &mut File, length: u64) -> io::Result<()> {
    file.set_len(length)?;
    file.seek(SeekFrom::Start(length)).map(|_| ())
}
