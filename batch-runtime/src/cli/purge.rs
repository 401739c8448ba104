//! `purge`: deletes the record of old instances, or says what would be deleted.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use serde::Serialize;

use super::arguments::{Globals, PurgeArguments};
use super::console::Console;
use super::documents;
use super::output::done;
use crate::definition::BoxError;
use crate::frontend::json::Details;
use crate::frontend::refusal::Refusal;
use crate::frontend::skipped::Skipped;
use crate::frontend::times::moment;
use crate::observe::table::{Align, Table};
use crate::observe::words;
use crate::operator::{Archive, ExecutionDetails, JobOperator, Purge, Purged};
use crate::repository::SkippedRow;

/// `purge`
pub(super) fn purge(
    operator: &JobOperator,
    arguments: &PurgeArguments,
    globals: &Globals,
    console: &Console,
) -> Result<(), Refusal> {
    let before = arguments.older_than.at(operator.now()?);
    let purge = Purge::ended_before(before).keep(arguments.keep).statuses(arguments.statuses.clone());
    let purge = match &arguments.job {
        Some(job) => purge.job(job),
        None => purge,
    };
    if !arguments.yes {
        let found = operator.purgeable(&purge)?;
        let text = if found.instances() == 0 { nothing() } else { would(&found) };
        done(&documents::Purge::of(&found, false), &text, globals, console);
        return Ok(());
    }
    let purged = match arguments.archive.as_deref().map(Path::new) {
        Some(path) => operator.purge_archiving(&purge, &mut ArchiveFile::open(path)?)?,
        None => operator.purge(&purge)?,
    };
    if arguments.vacuum {
        operator.vacuum()?;
    }
    let (instances, executions) =
        (counted(purged.instances(), "instance"), counted(purged.executions(), "execution"));
    let text =
        if purged.instances() == 0 { nothing() } else { format!("purged {instances} with {executions}") };
    done(&documents::Purge::of(&purged, true), &text, globals, console);
    Ok(())
}

fn nothing() -> String {
    "nothing to purge: no complete or abandoned instance is old enough".to_owned()
}

fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", words::count(number), if number == 1 { "" } else { "s" })
}

/// The table of the instances that would be purged.
fn would(found: &Purged) -> String {
    let mut table = Table::new(&[
        ("job", Align::Left),
        ("instances", Align::Right),
        ("executions", Align::Right),
        ("first ended (UTC)", Align::Left),
        ("last ended (UTC)", Align::Left),
    ]);
    for (name, job) in &found.jobs {
        table.row([
            words::line(name, 100),
            words::count(job.instances),
            words::count(job.executions),
            moment(job.oldest),
            moment(job.newest),
        ]);
    }
    format!(
        "{table}\nnothing has been purged yet: add `--yes` to delete the record of these instances for good"
    )
}

/// The file to which executions and skipped items are appended before they are deleted, each as a line of JSON.
struct ArchiveFile {
    file: BufWriter<File>,
    path: String,
}

impl ArchiveFile {
    fn open(path: &Path) -> Result<Self, Refusal> {
        let shown = path.display().to_string();
        Self::opened(path).map(|file| Self { file: BufWriter::new(file), path: shown.clone() }).map_err(|error| {
            Refusal::usage(format!(
                "the archive {shown} cannot be opened: {error}, and nothing was purged; use `--archive` to choose another file"
            ))
        })
    }

    /// Opens the file for appending. Ends a line that an interrupted purge has cut off, so that the next line does not
    /// continue it.
    fn opened(path: &Path) -> io::Result<File> {
        let mut file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
        // A pipe has no end to look at.
        if file.metadata()?.is_file() && file.metadata()?.len() > 0 {
            let mut last = [0];
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                file.write_all(b"\n")?;
            }
        }
        Ok(file)
    }

    /// Appends a line. The buffer gets each line in one write, so another purge can append to the same file at the same
    /// time.
    fn line(&mut self, document: &impl Serialize) -> Result<(), BoxError> {
        let mut line = serde_json::to_vec(document)?;
        line.push(b'\n');
        self.file.write_all(&line).map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &io::Error) -> BoxError {
        io::Error::new(error.kind(), format!("{}: {error}", self.path)).into()
    }
}

impl Archive for ArchiveFile {
    fn execution(&mut self, execution: &ExecutionDetails) -> Result<(), BoxError> {
        self.line(&Details::from(execution))
    }

    fn skipped(&mut self, item: &SkippedRow) -> Result<(), BoxError> {
        self.line(&ArchivedItem { skipped: Skipped::from(item) })
    }

    fn sync(&mut self) -> Result<(), BoxError> {
        let synced = self.file.flush().and_then(|()| self.file.get_ref().sync_data());
        synced.map_err(|error| self.failed(&error))
    }
}

/// The line of a skipped item.
#[derive(Serialize)]
struct ArchivedItem<'a> {
    skipped: Skipped<'a>,
}
