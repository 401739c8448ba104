//! `metrics`: prints the totals of the repository for Prometheus.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::Path;

use super::arguments::Globals;
use super::console::Console;
use super::documents::Metrics;
use super::output::done;
use crate::frontend::refusal::Refusal;
use crate::observe;
use crate::repository::Repository;

/// Prints the metrics, or writes them to a file.
pub(super) fn show(
    repository: &dyn Repository,
    textfile: Option<&OsStr>,
    globals: &Globals,
    console: &Console,
) -> Result<(), Refusal> {
    let metrics = observe::metrics(repository)?;
    let Some(file) = textfile.map(Path::new) else {
        done(&Metrics { textfile: None, metrics: &metrics }, metrics.trim_end(), globals, console);
        return Ok(());
    };
    replace(file, &metrics).map_err(|error| {
        let shown = file.display();
        Refusal::usage(format!(
            "the metrics cannot be written to {shown}: {error}; use `--textfile` to choose another file"
        ))
    })?;
    let text = format!("wrote the metrics to {}", file.display());
    let shown = file.display().to_string();
    done(&Metrics { textfile: Some(&shown), metrics: &metrics }, &text, globals, console);
    Ok(())
}

/// Replaces a file as a whole: a reader sees the old text or the new one, and nothing in between.
fn replace(file: &Path, text: &str) -> io::Result<()> {
    let Some(name) = file.file_name() else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "this is not a file name"));
    };
    // node_exporter reads only names that end in `.prom`.
    let mut unfinished = name.to_owned();
    unfinished.push(format!(".{}.part", std::process::id()));
    let unfinished = file.with_file_name(unfinished);
    let written = fs::write(&unfinished, text).and_then(|()| fs::rename(&unfinished, file));
    if written.is_err() {
        let _ = fs::remove_file(&unfinished);
    }
    written
}
