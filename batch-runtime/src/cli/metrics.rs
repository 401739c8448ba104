//! `metrics`: prints the totals of the repository for Prometheus.

use std::ffi::OsStr;
use std::path::Path;

use super::arguments::Globals;
use super::console::Console;
use super::documents::Metrics;
use super::output::done;
use crate::frontend::refusal::Refusal;
use crate::observe;
use crate::repository::Repository;
use crate::writers::replace;

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
    // node_exporter reads only names that end in `.prom`, so never the unfinished file.
    replace(file, &metrics).map_err(|error| Refusal::usage(format!("`--textfile`: {error}")))?;
    let text = format!("wrote the metrics to {}", file.display());
    let shown = file.display().to_string();
    done(&Metrics { textfile: Some(&shown), metrics: &metrics }, &text, globals, console);
    Ok(())
}
