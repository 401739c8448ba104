//! The last lines of the log of an execution that was started from the page; for any other, the place of its log.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use maud::{Markup, Render, html};
use serde::Serialize;
use serde_json::{Map, Value};

use super::tabs::head;
use super::{Place, View};
use crate::definition::ExecutionId;
use crate::frontend::refusal::Refusal;
use crate::repository::{JobExecution, command_line};
use crate::serve::child::log_file;
use crate::serve::page::Page;
use crate::serve::request::RequestError;

/// The most lines that are shown.
const LINES: usize = 200;
/// The size of the file's end that is searched for them.
const BYTES: u64 = 256 << 10;

/// The last lines of a log, as JSON.
#[derive(Serialize)]
pub(in crate::serve) struct Document {
    execution: ExecutionId,
    /// The file; `None` if the page has no log of the execution.
    file: Option<String>,
    /// Each line as the object that it holds, or as text if it holds none.
    lines: Vec<Value>,
}

pub(in crate::serve) fn document(page: &Page, id: ExecutionId) -> Result<Document, RequestError> {
    let Some(folder) = &page.logs else { return Err(RequestError::Missing) };
    let file = log_file(folder, &page.operator.execution(id)?.instance.job, id);
    let (file, lines) = match last_lines(&file) {
        Ok(lines) => (Some(file.display().to_string()), lines),
        Err(error) if error.kind() == io::ErrorKind::NotFound => (None, Vec::new()),
        Err(error) => {
            let why = format!("the log {} cannot be read: {error}", file.display());
            return Err(Refusal::refused("log", why).into());
        }
    };
    let value = |line: String| serde_json::from_str(&line).unwrap_or(Value::String(line));
    Ok(Document { execution: id, file, lines: lines.into_iter().map(value).collect() })
}

pub(in crate::serve) fn show(page: &Page, id: ExecutionId) -> Result<View, RequestError> {
    let Some(folder) = &page.logs else { return Err(RequestError::Missing) };
    let details = page.operator.show(id)?;
    let job = &details.execution.instance.job;
    let file = log_file(folder, job, id);
    let live = match last_lines(&file) {
        Ok(lines) if lines.is_empty() => html! { p.empty { "The log is empty." } },
        Ok(lines) => html! {
            div.table {
                table.log { tbody { @for line in &lines { (shown(line)) } } }
            }
            p.soft { "The last " (lines.len()) " lines of " code { (file.display()) } }
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => html! {
            p.empty {
                "There is no log here: only executions that are started from this page have one. "
                @match Elsewhere::of(&details.execution) {
                    Some(elsewhere) => (elsewhere),
                    None => { "A command that runs a job writes one with " code { "--log FILE" } "." }
                }
            }
        },
        Err(error) => {
            html! { p.cause role="alert" { "The log " (file.display()) " cannot be read: " (error) } }
        }
    };
    Ok(View {
        title: format!("Log of {job} {id}"),
        place: Place::Elsewhere,
        fixed: head(page, &details, "log"),
        live,
        follows: details.execution.status.is_running(),
    })
}

/// Where a running execution writes its log, if its process is on this machine and says so.
pub(super) enum Elsewhere {
    File(PathBuf),
    /// The standard error of its process.
    Stderr,
    Nowhere,
}

impl Elsewhere {
    pub(super) fn of(execution: &JobExecution) -> Option<Self> {
        let owner = execution.owner.as_ref().filter(|_| execution.status.is_running())?;
        let (words, folder) = command_line(owner)?;
        Some(match log_in(&words) {
            None => Self::Nowhere,
            Some(file) if file == "/dev/stderr" => Self::Stderr,
            Some(file) => Self::File(folder.join(file)),
        })
    }
}

impl Render for Elsewhere {
    fn render(&self) -> Markup {
        html! {
            @match self {
                Self::File(file) => { "Its process writes the log " code { (file.display()) } "." }
                Self::Stderr => { "Its process writes the log to its standard error." }
                Self::Nowhere => { "Its process writes no log: it was started without " code { "--log" } "." }
            }
        }
    }
}

/// The value of `--log` in a command line.
fn log_in(words: &[OsString]) -> Option<&OsStr> {
    words.iter().enumerate().find_map(|(at, word)| match word.as_bytes().strip_prefix(b"--log")? {
        b"" => words.get(at + 1).map(OsString::as_os_str),
        rest => rest.strip_prefix(b"=").map(OsStr::from_bytes),
    })
}

/// The last lines of a file that may be long.
fn last_lines(file: &Path) -> io::Result<Vec<String>> {
    let mut file = File::open(file)?;
    let length = file.metadata()?.len();
    let from = length.saturating_sub(BYTES);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(BYTES).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    // The first line may lack its beginning.
    let whole = text.lines().skip(usize::from(from > 0));
    let lines: Vec<String> = whole.map(str::to_owned).collect();
    Ok(lines[lines.len().saturating_sub(LINES)..].to_vec())
}

fn shown(line: &str) -> Markup {
    let Ok(fields) = serde_json::from_str::<Map<String, Value>>(line) else {
        return html! { tr { td colspan="3" { code { (line) } } } };
    };
    let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
    let time = text("timestamp");
    let level = text("level").to_lowercase();
    let shown_above =
        ["timestamp", "level", "message", "target", "pid", "thread", "job", "execution", "instance"];
    let others = fields.iter().filter(|(name, _)| !shown_above.contains(&name.as_str()));
    html! {
        tr {
            td.number { (time.get(11..23).unwrap_or(time)) }
            td.level.(level) { (level) }
            td.text {
                (text("message"))
                @for (name, value) in others {
                    " " span.parameter { (name) "=" b { @match value.as_str() { Some(text) => (text), None => (value) } } }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_the_log_is_found_in_a_command_line() {
        let of = |line: &str| {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            log_in(&words).map(|file| file.to_str().unwrap().to_owned())
        };
        assert_eq!(of("program run load --log a.jsonl --to 7").as_deref(), Some("a.jsonl"));
        assert_eq!(of("program run --log=/var/a.jsonl").as_deref(), Some("/var/a.jsonl"));
        assert_eq!(of("program run --log-filter debug --logs x"), None);
        assert_eq!(of("program run --log"), None);
    }

    #[test]
    fn only_the_last_whole_lines_are_read() {
        let path = std::env::temp_dir().join(format!("batch-log-{}.jsonl", std::process::id()));
        let line = |number: usize| format!("{{\"message\":\"{number} {}\"}}", "x".repeat(2_000));
        let all: Vec<String> = (0..300).map(line).collect();
        std::fs::write(&path, all.join("\n") + "\n").unwrap();
        let lines = last_lines(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(lines.last(), all.last());
        assert!(lines.len() < LINES && lines.iter().all(|line| all.contains(line)), "{}", lines.len());
    }
}
