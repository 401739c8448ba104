//! `profile diff`: compares the profiles of two runs.

use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::cli::arguments::{Globals, ProfileDiff};
use crate::cli::console::Console;
use crate::cli::output::done;
use crate::definition::JobInfo;
use crate::frontend::refusal::Refusal;
#[cfg(feature = "profile-heap")]
use crate::observe::profile::attribution::Steps;
use crate::observe::profile::difference::{self, Difference};
#[cfg(feature = "profile-heap")]
use crate::observe::profile::sites::{HeapDifference, Sites};

/// The JSON document of `profile diff` for two CPU profiles.
#[derive(Serialize)]
struct Document<'d> {
    #[serde(flatten)]
    difference: &'d Difference,
    svg: Option<String>,
}

impl ProfileDiff {
    /// Prints the functions that changed most, and draws the flame graph if that is wanted.
    pub(in crate::cli) fn show(
        &self,
        jobs: &[&'static JobInfo],
        globals: &Globals,
        console: &Console,
    ) -> Result<(), Refusal> {
        let (before, after) = (text_of(&self.before)?, text_of(&self.after)?);
        let names = (shown(&self.before), shown(&self.after));
        match (is_of_heap(&before), is_of_heap(&after)) {
            (false, false) => {}
            (true, true) => {
                return self.show_heap((&names.0, &before), (&names.1, &after), jobs, globals, console);
            }
            (is_first, _) => {
                let (heap, other) = if is_first { (&names.0, &names.1) } else { (&names.1, &names.0) };
                let said = format!(
                    "{heap} is the profile of a heap, and {other} is not: compare two of the same kind"
                );
                return Err(Refusal::usage(said));
            }
        }
        let (difference, svg) =
            difference::of_files((&names.0, &before), (&names.1, &after)).map_err(Refusal::usage)?;
        if let Some(file) = &self.svg {
            fs::write(file, svg).map_err(|error| {
                let file = file.display();
                Refusal::usage(format!(
                    "{file} cannot be written: {error}; use `--svg` to choose another file"
                ))
            })?;
        }
        let svg = self.svg.as_deref().map(shown);
        let mut text = difference.table();
        if let Some(file) = &svg {
            text.extend(["written to ", file, "\n"]);
        }
        done(&Document { difference: &difference, svg }, text.trim_end(), globals, console);
        Ok(())
    }

    #[cfg(not(feature = "profile-heap"))]
    #[expect(clippy::unused_self, reason = "with the feature, the function reads `self.svg`")]
    fn show_heap(
        &self,
        _: (&str, &str),
        _: (&str, &str),
        _: &[&'static JobInfo],
        _: &Globals,
        _: &Console,
    ) -> Result<(), Refusal> {
        Err(super::missing_feature("`profile diff` of heaps", "profile-heap"))
    }

    #[cfg(feature = "profile-heap")]
    fn show_heap(
        &self,
        before: (&str, &str),
        after: (&str, &str),
        jobs: &[&'static JobInfo],
        globals: &Globals,
        console: &Console,
    ) -> Result<(), Refusal> {
        if self.svg.is_some() {
            return Err(Refusal::usage("`--svg` draws CPU time: leave it out to compare heaps"));
        }
        let steps = Steps::of(jobs);
        let parsed = |(name, text): (&str, &str)| {
            Sites::parse(text, &steps).map_err(|error| Refusal::usage(format!("{name}: {error}")))
        };
        let difference = HeapDifference::of(&parsed(before)?, &parsed(after)?);
        done(&difference, difference.table().trim_end(), globals, console);
        Ok(())
    }
}

fn is_of_heap(text: &str) -> bool {
    text.trim_start().starts_with('{')
}

fn shown(file: &Path) -> String {
    file.display().to_string()
}

fn text_of(file: &Path) -> Result<String, Refusal> {
    fs::read_to_string(file)
        .map_err(|error| Refusal::usage(format!("{} cannot be read: {error}", file.display())))
}
