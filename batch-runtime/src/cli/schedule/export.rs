//! `schedule export`

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use super::document::{Exported, File};
use crate::cli::arguments::Globals;
use crate::cli::console::Console;
use crate::cli::output::done;
use crate::cli::repository;
use crate::frontend::refusal::Refusal;
use crate::schedule::ScheduledJob;
use crate::schedule::export::{Called, Format, Unit, units};

/// `schedule export`
pub(super) fn export(
    format: Format,
    directory: Option<&OsStr>,
    jobs: &[ScheduledJob],
    globals: &Globals,
    console: &Console,
) -> Result<(), Refusal> {
    let program = std::env::current_exe()
        .map_err(|error| Refusal::usage(format!("cannot find the path of this program: {error}")))?;
    let url = repository::absolute(globals.repository.as_deref(), console)?;
    let path = Some(url.as_os_str()).filter(|url| !url.to_str().is_some_and(repository::is_postgres));
    let units = units(format, jobs, &Called { program: &program, repository: path });
    if let Some(directory) = directory.map(Path::new) {
        for Unit { name, text } in &units {
            let file = directory.join(name);
            fs::write(&file, text).map_err(|error| {
                let file = file.display();
                Refusal::usage(format!(
                    "{file} cannot be written: {error}; use `--directory` to choose another directory"
                ))
            })?;
        }
    }
    let files = units.iter().map(|Unit { name, text }| File { name, text }).collect();
    let lines: Vec<String> = match directory {
        Some(directory) => units
            .iter()
            .map(|unit| format!("wrote {}", Path::new(directory).join(&unit.name).display()))
            .collect(),
        None => units.iter().map(|unit| format!("# {}\n{}", unit.name, unit.text)).collect(),
    };
    let text = lines.join("\n");
    done(&Exported { format: format.name(), files }, text.trim_end(), globals, console);
    Ok(())
}
