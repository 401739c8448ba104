//! [`FileWriter`], the trait of writers of one file, of which `rolling` and `by_key` create many.

use std::fs;
use std::path::Path;

use super::{FilePosition, State, TransactionalFile, is_still};
use crate::writers::WriteError;
use crate::{Mark, Writer};

/// A writer of one file: [`CsvWriter`](crate::writers::CsvWriter),
/// [`JsonLinesWriter`](crate::writers::JsonLinesWriter),
/// [`JsonArrayWriter`](crate::writers::JsonArrayWriter), [`LinesWriter`](crate::writers::LinesWriter), `FixedWriter` or
/// `XmlWriter`.
/// [`rolling`](crate::writers::rolling) and [`by_key`](crate::writers::by_key) write many files with such writers.
///
/// ```
/// use batch_runtime::writers::{FileWriter, JsonLinesWriter};
///
/// fn takes_a_file_writer(_: &impl FileWriter<Item = u32>) {}
/// takes_a_file_writer(&JsonLinesWriter::create("numbers.jsonl"));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not write one file",
    label = "`CsvWriter`, `FixedWriter`, `LinesWriter`, `JsonLinesWriter`, `JsonArrayWriter` or `XmlWriter` was expected here"
)]
pub trait FileWriter: Writer<Position = FilePosition, Error = WriteError> + OneFile {}

impl<W: Writer<Position = FilePosition, Error = WriteError> + OneFile> FileWriter for W {}

/// The other operations that a writer of many files needs; sealed.
pub trait OneFile {
    /// The path as given.
    fn path_as_given(&self) -> &Path;

    /// Removes the unfinished file, unless it now belongs to another owner.
    fn discard(&mut self) -> Result<(), WriteError>;
}

macro_rules! one_file {
    ($writer:ident) => {
        impl<T> $crate::writers::file::OneFile for $writer<T> {
            fn path_as_given(&self) -> &std::path::Path {
                self.file.path_as_given()
            }

            fn discard(&mut self) -> Result<(), $crate::writers::WriteError> {
                self.file.discard()
            }
        }
    };
}
pub(in crate::writers) use one_file;

impl TransactionalFile {
    pub(in crate::writers) fn path_as_given(&self) -> &Path {
        &self.path_as_given
    }

    pub(in crate::writers) fn discard(&mut self) -> Result<(), WriteError> {
        let State::Open(file) = &self.state else { return Ok(()) };
        if is_still(&self.part, file).map_err(|error| WriteError::io("look at", &self.part, error))? {
            fs::remove_file(&self.part).map_err(|error| WriteError::io("remove", &self.part, error))?;
        }
        self.state = State::Closed;
        Ok(())
    }
}

/// The calls that the engine makes before it opens a writer, to be repeated for files that are begun later.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::writers) struct Owner {
    pub(in crate::writers) mark: Mark,
    pub(in crate::writers) takes_over: bool,
    pub(in crate::writers) replays: bool,
}

impl Owner {
    pub(in crate::writers) fn open<W: FileWriter>(
        self,
        mut writer: W,
        from: Option<FilePosition>,
    ) -> Result<Opened<W>, WriteError> {
        writer.mark(self.mark);
        if self.takes_over {
            writer.take_over();
        }
        if self.replays {
            writer.replays();
        }
        writer.open(from)?;
        let begin = writer.position();
        Ok(Opened { writer, begin })
    }
}

/// One of many files.
#[derive(Debug)]
pub(in crate::writers) struct Opened<W> {
    pub(in crate::writers) writer: W,
    /// The position at which the file was opened.
    begin: FilePosition,
}

impl<W: FileWriter> Opened<W> {
    /// Returns to a position, or to where the file was opened.
    pub(in crate::writers) fn rollback(&mut self, to: Option<FilePosition>) -> Result<(), WriteError> {
        self.writer.rollback(&to.unwrap_or(self.begin))
    }
}

/// Refuses two files with the same name: the second would replace the first.
pub(in crate::writers) fn refuse_same_name<W: OneFile>(
    one: &W,
    other: &W,
    files: impl FnOnce() -> String,
) -> Result<(), WriteError> {
    if one.path_as_given() != other.path_as_given() {
        return Ok(());
    }
    let problem = format!("{} would both have this name; give each file a name of its own", files());
    Err(WriteError::Options { path: one.path_as_given().to_path_buf(), problem })
}
