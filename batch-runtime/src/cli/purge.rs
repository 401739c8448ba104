//! `purge`: deletes the record of old instances, or says what would be deleted.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use super::arguments::{Globals, PurgeArguments};
use super::console::Console;
use super::refusal::Refusal;
use super::times::moment;
use super::{done, json};
use crate::observe::table::{Align, Table};
use crate::observe::words;
use crate::operator::{ExecutionDetails, JobOperator, Purge, Purged};

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
        done(&json::Purge::of(&found, false), &text, globals, console);
        return Ok(());
    }
    let purged = match arguments.archive.as_deref().map(Path::new) {
        Some(path) => {
            let mut archive = Archive::open(path)?;
            operator.purge_archiving(&purge, |details| archive.add(details))?
        }
        None => operator.purge(&purge)?,
    };
    if arguments.vacuum {
        operator.vacuum()?;
    }
    let (instances, executions) =
        (counted(purged.instances(), "instance"), counted(purged.executions(), "execution"));
    let text =
        if purged.instances() == 0 { nothing() } else { format!("purged {instances} with {executions}") };
    done(&json::Purge::of(&purged, true), &text, globals, console);
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

/// The file to which executions are appended before they are deleted.
struct Archive {
    file: File,
    path: String,
}

impl Archive {
    fn open(path: &Path) -> Result<Self, Refusal> {
        let shown = path.display().to_string();
        match OpenOptions::new().create(true).append(true).open(path) {
            Ok(file) => Ok(Self { file, path: shown }),
            Err(error) => Err(Refusal::usage(format!(
                "the archive {shown} cannot be opened: {error}, and nothing was purged; use `--archive` to choose another file"
            ))),
        }
    }

    /// Appends an execution as a line of JSON, which is on the disk before the execution is deleted.
    fn add(&mut self, details: &ExecutionDetails) -> io::Result<()> {
        let mut line = serde_json::to_vec(&json::Details::from(details))?;
        line.push(b'\n');
        let written = self.file.write_all(&line).and_then(|()| self.file.sync_data());
        written.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", self.path)))
    }
}
