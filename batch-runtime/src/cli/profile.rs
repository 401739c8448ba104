//! `run --profile` and `profile diff`: where the time of a run goes by function, and how two runs differ.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::ArgMatches;

use super::arguments::Globals;
use super::console::Console;
use super::refusal::Refusal;
use crate::definition::JobInfo;
use crate::observe::JobReport;

/// Samples for each second of CPU time. Not 100, so that they do not keep step with what a program does 100 times a second.
#[cfg(feature = "profile")]
const HERTZ: i32 = 99;

/// `--profile` and its options, as typed.
#[derive(Debug, Clone, Default)]
pub(super) struct ProfileArguments {
    cpu: bool,
    #[cfg_attr(not(feature = "profile"), expect(dead_code, reason = "nothing is profiled"))]
    folder: Option<OsString>,
    #[cfg_attr(not(feature = "profile"), expect(dead_code, reason = "nothing is profiled"))]
    hertz: Option<i32>,
}

impl ProfileArguments {
    pub(super) fn of(matches: &ArgMatches) -> Self {
        Self {
            cpu: matches
                .get_many::<String>("profile")
                .is_some_and(|mut kinds| kinds.any(|kind| kind == "cpu")),
            folder: matches.get_one::<OsString>("profile-folder").cloned(),
            hertz: matches.get_one::<i32>("profile-rate").copied(),
        }
    }

    /// Returns whether a profile is wanted.
    #[cfg(feature = "schedule")]
    pub(super) fn is_given(&self) -> bool {
        self.cpu
    }
}

/// The run that is being profiled, if one is.
#[derive(Default)]
pub(super) struct Profiling {
    #[cfg(feature = "profile")]
    cpu: Option<cpu::Running>,
}

/// The profile of a run, if one was asked for.
#[derive(Default)]
pub(super) struct RunProfile {
    #[cfg(feature = "profile")]
    cpu: Option<crate::observe::profile::CpuProfile>,
}

/// `profile diff`, as typed.
#[derive(Debug)]
pub(super) struct ProfileDiff {
    #[cfg_attr(not(feature = "profile"), expect(dead_code, reason = "nothing is compared"))]
    before: PathBuf,
    #[cfg_attr(not(feature = "profile"), expect(dead_code, reason = "nothing is compared"))]
    after: PathBuf,
    #[cfg_attr(not(feature = "profile"), expect(dead_code, reason = "nothing is compared"))]
    svg: Option<PathBuf>,
}

impl ProfileDiff {
    pub(super) fn of(matches: &ArgMatches) -> Self {
        let file = |name| matches.get_one::<OsString>(name).map(PathBuf::from);
        Self {
            before: file("before").expect("clap requires it"),
            after: file("after").expect("clap requires it"),
            svg: file("svg"),
        }
    }
}

#[cfg(not(feature = "profile"))]
mod without {
    use super::{
        Console, Globals, JobInfo, JobReport, ProfileArguments, ProfileDiff, Profiling, Refusal, RunProfile,
    };

    fn refused(what: &str) -> Refusal {
        Refusal::usage(format!(
            "{what} needs a program that can profile: build it with the feature `profile` of batch-runtime, or leave it out",
        ))
    }

    impl ProfileArguments {
        /// Refuses what cannot be profiled.
        pub(in crate::cli) fn prepare(&self) -> Result<(), Refusal> {
            if self.cpu { Err(refused("`--profile`")) } else { Ok(()) }
        }

        #[expect(clippy::unused_self, reason = "with the feature, it says what is wanted")]
        pub(in crate::cli) fn start(&self, _: &'static JobInfo, _: &Console) -> Profiling {
            Profiling::default()
        }
    }

    impl Profiling {
        #[expect(clippy::unused_self, reason = "with the feature, it has what is to be stopped")]
        pub(in crate::cli) fn stop(self, _: Option<&JobReport>, _: &Console) -> RunProfile {
            RunProfile::default()
        }
    }

    impl RunProfile {
        #[expect(clippy::unused_self, reason = "with the feature, it has the text")]
        pub(in crate::cli) fn text(&self) -> Option<String> {
            None
        }
    }

    impl ProfileDiff {
        #[expect(clippy::unused_self, reason = "with the feature, it has the files")]
        pub(in crate::cli) fn show(&self, _: &Globals, _: &Console) -> Result<(), Refusal> {
            Err(refused("`profile diff`"))
        }
    }
}

#[cfg(feature = "profile")]
mod cpu {
    use std::fs;
    use std::path::{Path, PathBuf};

    use serde::Serialize;

    use super::{
        Console, Globals, HERTZ, JobInfo, JobReport, ProfileArguments, ProfileDiff, Profiling, Refusal,
        RunProfile,
    };
    use crate::cli::done;
    use crate::observe::profile::difference::{self, Difference};
    use crate::observe::profile::{CpuProfile, Profiler};

    /// A run that is being profiled.
    pub(super) struct Running {
        job: &'static JobInfo,
        folder: PathBuf,
        /// `None` if the process cannot be profiled.
        profiler: Option<Profiler>,
    }

    impl ProfileArguments {
        /// Makes the folder for the files, if they are wanted.
        pub(in crate::cli) fn prepare(&self) -> Result<(), Refusal> {
            if !self.cpu {
                return Ok(());
            }
            let folder = self.folder();
            fs::create_dir_all(&folder).map_err(|error| {
                let folder = folder.display();
                Refusal::usage(format!(
                    "the folder {folder} cannot be made: {error}; `--profile-folder` names it"
                ))
            })
        }

        fn folder(&self) -> PathBuf {
            self.folder.as_ref().map_or_else(|| PathBuf::from("."), PathBuf::from)
        }

        /// Starts to profile the process, if that is wanted. A process that cannot be profiled runs its job all the same.
        pub(in crate::cli) fn start(&self, job: &'static JobInfo, console: &Console) -> Profiling {
            if !self.cpu {
                return Profiling::default();
            }
            let profiler =
                Profiler::start(job, self.hertz.unwrap_or(HERTZ)).map_err(|error| warn(&error, console));
            Profiling { cpu: Some(Running { job, folder: self.folder(), profiler: profiler.ok() }) }
        }
    }

    impl Profiling {
        /// Ends the profile and writes its files, however the job ended.
        pub(in crate::cli) fn stop(self, report: Option<&JobReport>, console: &Console) -> RunProfile {
            let cpu = self.cpu.and_then(|Running { job, folder, profiler }| {
                let (name, title) = match report {
                    Some(report) => (
                        format!("{}-{}", job.name, report.execution),
                        format!("{}, execution {}", job.name, report.execution),
                    ),
                    // The repository was lost.
                    None => (job.name.to_owned(), job.name.to_owned()),
                };
                let profile = profiler?.stop(&folder, &file_name(&name), &title);
                profile.map_err(|error| warn(&error, console)).ok()
            });
            RunProfile { cpu }
        }
    }

    impl RunProfile {
        pub(in crate::cli) fn text(&self) -> Option<String> {
            self.cpu.as_ref().map(CpuProfile::text)
        }

        pub(in crate::cli) fn cpu(&self) -> Option<&CpuProfile> {
            self.cpu.as_ref()
        }
    }

    fn warn(error: &str, console: &Console) {
        console.err.line(format_args!("warning: there is no profile of the run: {error}"));
    }

    /// The name without the signs that separate folders.
    fn file_name(name: &str) -> String {
        name.chars().map(|letter| if matches!(letter, '/' | '\0') { '_' } else { letter }).collect()
    }

    #[derive(Serialize)]
    struct Document<'d> {
        #[serde(flatten)]
        difference: &'d Difference,
        svg: Option<String>,
    }

    impl ProfileDiff {
        /// Prints the functions that changed most, and draws the flame graph if that is wanted.
        pub(in crate::cli) fn show(&self, globals: &Globals, console: &Console) -> Result<(), Refusal> {
            let (before, after) = (text_of(&self.before)?, text_of(&self.after)?);
            let shown = |file: &Path| file.display().to_string();
            let names = (shown(&self.before), shown(&self.after));
            let (difference, svg) =
                difference::of_files((&names.0, &before), (&names.1, &after)).map_err(Refusal::usage)?;
            if let Some(file) = &self.svg {
                fs::write(file, svg).map_err(|error| {
                    let file = file.display();
                    Refusal::usage(format!("{file} cannot be written: {error}; `--svg` names it"))
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
    }

    fn text_of(file: &Path) -> Result<String, Refusal> {
        fs::read_to_string(file)
            .map_err(|error| Refusal::usage(format!("{} cannot be read: {error}", file.display())))
    }
}
