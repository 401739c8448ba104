//! The last lines of the log of an execution that was started from the page.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use maud::{Markup, html};
use serde_json::{Map, Value};

use super::execution::head;
use super::{Place, View};
use crate::definition::ExecutionId;
use crate::serve::child::log_file;
use crate::serve::page::Page;
use crate::serve::request::RequestError;

/// The most lines that are shown.
const LINES: usize = 200;
/// The size of the file's end that is searched for them.
const BYTES: u64 = 256 << 10;

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
            p.empty { "There is no log: only executions that are started from this page have one here." }
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
