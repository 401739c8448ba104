//! Opens the log of a process: the file for the events, and the choice of the events that it gets.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{Directive, EnvFilter, FilterExt as _, filter_fn};
use tracing_subscriber::{Layer, Registry};

use super::arguments::{LogArguments, absolute_log};
use super::console::Console;
use crate::frontend::refusal::Refusal;
use crate::observe::log::{JsonLines, is_framework_span};

/// The events that are written if no filter says otherwise.
const DEFAULT: &str = "info";

/// A layer of the subscriber of this program.
pub(super) type BoxedLayer = Box<dyn Layer<Registry> + Send + Sync>;

impl LogArguments {
    /// The layer that writes all events to the file; `None` without `--log`.
    pub(super) fn open(&self, console: &Console) -> Result<Option<BoxedLayer>, Refusal> {
        let Some(file) = &self.file else { return Ok(None) };
        layer(file, self.filter.as_deref(), console).map(Some)
    }
}

/// The layer that appends events to the file.
fn layer(file: &OsStr, filter: Option<&str>, console: &Console) -> Result<BoxedLayer, Refusal> {
    let filter = parsed(filter.unwrap_or(DEFAULT))?;
    let path = absolute_log(file)?;
    let shown = path.display().to_string();
    let append = appending(&path, console).map_err(|error| {
        Refusal::usage(format!(
            "the log {shown} cannot be opened: {error}; use `--log` to choose another file"
        ))
    })?;
    let (errors, has_failed) = (console.err.clone(), AtomicBool::new(false));
    let lines = JsonLines::new(move |line: &[u8]| {
        if let Err(error) = append(line)
            && !has_failed.swap(true, Ordering::Relaxed)
        {
            errors.line(format_args!("warning: the log {shown} is not complete: {error}"));
        }
    });
    // The spans of the framework pass every filter, so that each line names its job, execution and step.
    let spans = filter_fn(|metadata| is_framework_span(metadata) && *metadata.level() == Level::ERROR)
        .with_max_level_hint(LevelFilter::ERROR);
    Ok(lines.with_filter(filter.or(spans)).boxed())
}

/// Appends a line to a file.
type Append = Box<dyn Fn(&[u8]) -> io::Result<()> + Send + Sync>;

fn appending(path: &Path, console: &Console) -> io::Result<Append> {
    // Under systemd, standard error is a socket, which cannot be opened by its path.
    if path == Path::new("/dev/stderr") {
        let stream = console.err.clone();
        return Ok(Box::new(move |line| stream.clone().write_all(line)));
    }
    let file = File::options().append(true).create(true).open(path)?;
    // One call for a whole line, so that the lines of several threads and processes do not mix.
    Ok(Box::new(move |line| (&file).write_all(line)))
}

/// Parses the filter, part by part so that a message names the part that is wrong.
fn parsed(filter: &str) -> Result<EnvFilter, Refusal> {
    let parts: Vec<_> = filter.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    for part in &parts {
        // `EnvFilter` reads a single word as the name of a crate if it is not a level, so `warning` would silently log
        // next to nothing.
        let is_word = part.chars().all(|c| c.is_ascii_alphanumeric() || "_:-".contains(c));
        if part.parse::<Directive>().is_err() || (is_word && part.parse::<LevelFilter>().is_err()) {
            return Err(wrong(part));
        }
    }
    EnvFilter::builder().parse(parts.join(",")).map_err(|_| wrong(filter))
}

fn wrong(part: &str) -> Refusal {
    Refusal::usage(format!(
        "`--log-filter`: `{part}` is not a filter: write off, error, warn, info, debug or trace, or one of these for \
         a crate or module, as in `info,my_crate=debug`"
    ))
}
