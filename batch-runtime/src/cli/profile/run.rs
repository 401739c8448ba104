//! Starts the profiles of a run, and writes their files at its end.

use std::fs;
use std::path::PathBuf;

use super::{Profiling, RunProfile};
use crate::cli::arguments::ProfileArguments;
use crate::cli::console::Console;
use crate::definition::JobInfo;
use crate::frontend::json;
use crate::frontend::refusal::Refusal;
use crate::observe::JobReport;
#[cfg(feature = "profile-heap")]
use crate::observe::profile::heap::{HeapProfile, HeapProfiler};
use crate::observe::profile::{CpuProfile, Profiler};

/// Samples for each second of CPU time. With 100, samples could coincide with work that recurs 100 times a second.
const HERTZ: i32 = 99;

/// A run that is being profiled.
pub(super) struct Running {
    job: &'static JobInfo,
    folder: PathBuf,
    cpu: Option<Profiler>,
    #[cfg(feature = "profile-heap")]
    heap: Option<HeapProfiler>,
}

impl ProfileArguments {
    /// Creates the folder for the files if a profile is wanted.
    pub(in crate::cli) fn prepare(&self) -> Result<(), Refusal> {
        if !self.is_given() {
            return Ok(());
        }
        #[cfg(not(feature = "profile-heap"))]
        if self.heap {
            return Err(super::missing_feature("`--profile=heap`", "profile-heap"));
        }
        let folder = self.folder();
        fs::create_dir_all(&folder).map_err(|error| {
            let folder = folder.display();
            Refusal::usage(format!(
                "the folder {folder} cannot be created: {error}; use `--profile-folder` to choose another"
            ))
        })
    }

    fn folder(&self) -> PathBuf {
        self.folder.as_ref().map_or_else(|| PathBuf::from("."), PathBuf::from)
    }

    /// Starts to profile the process, if that is wanted. A process that cannot be profiled runs its job all the same.
    pub(in crate::cli) fn start(&self, job: &'static JobInfo, console: &Console) -> Profiling {
        if !self.is_given() {
            return Profiling::default();
        }
        let folder = self.folder();
        #[cfg(feature = "profile-heap")]
        let heap = self.heap.then(|| HeapProfiler::start(job, &folder));
        let hertz = self.hertz.unwrap_or(HERTZ);
        let cpu = self.cpu.then(|| Profiler::start(job, hertz).map_err(|error| warn(&error, console)).ok());
        let running = Running {
            job,
            folder,
            cpu: cpu.flatten(),
            #[cfg(feature = "profile-heap")]
            heap,
        };
        Profiling { running: Some(running) }
    }
}

impl Profiling {
    /// Ends the profiles and writes their files, however the job ended.
    pub(in crate::cli) fn stop(self, report: Option<&JobReport>, console: &Console) -> RunProfile {
        let Some(running) = self.running else { return RunProfile::default() };
        let (job, folder) = (running.job, running.folder.as_path());
        let (name, title) = match report {
            Some(report) => (
                format!("{}-{}", job.name, report.execution),
                format!("{}, execution {}", job.name, report.execution),
            ),
            // There is no report, because the run was refused or the repository was lost.
            None => (job.name.to_owned(), job.name.to_owned()),
        };
        let name = file_name(&name);
        let cpu = running.cpu.map(|cpu| cpu.stop(folder, &name, &title));
        #[cfg(feature = "profile-heap")]
        let heap = running.heap.map(|heap| heap.stop(folder, &name));
        RunProfile {
            cpu: cpu.and_then(|profile| profile.map_err(|error| warn(&error, console)).ok()),
            #[cfg(feature = "profile-heap")]
            heap: heap.and_then(|profile| profile.map_err(|error| warn(&error, console)).ok()),
        }
    }
}

impl RunProfile {
    pub(in crate::cli) fn text(&self) -> Option<String> {
        let texts = [
            self.cpu.as_ref().map(CpuProfile::text),
            #[cfg(feature = "profile-heap")]
            self.heap.as_ref().map(HeapProfile::text),
        ];
        let texts: Vec<_> = texts.into_iter().flatten().collect();
        (!texts.is_empty()).then(|| texts.join("\n"))
    }

    /// Adds the profiles to the document of the run.
    pub(in crate::cli) fn add_to<'a>(&'a self, report: json::Report<'a>) -> json::Report<'a> {
        let report = report.with_cpu_profile(self.cpu.as_ref());
        #[cfg(feature = "profile-heap")]
        let report = report.with_heap_profile(self.heap.as_ref());
        report
    }
}

fn warn(error: &str, console: &Console) {
    console.err.line(format_args!("warning: there is no profile of the run: {error}"));
}

/// The name, with `_` in place of characters that no file name can have.
fn file_name(name: &str) -> String {
    name.chars().map(|letter| if matches!(letter, '/' | '\0') { '_' } else { letter }).collect()
}
