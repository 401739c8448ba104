//! Profiles a run by component and function.

pub(crate) mod attribution;
pub(crate) mod difference;
mod flame;
mod folded;
mod frame;
#[cfg(feature = "profile-heap")]
pub(crate) mod heap;
mod hot;
mod sampler;
#[cfg(feature = "profile-heap")]
pub(crate) mod sites;

use std::path::Path;

use serde::Serialize;

use crate::definition::JobInfo;
use attribution::Steps;
use folded::Folded;
use frame::Origin;
use hot::Hot;
use sampler::Sampler;

/// A profile that is being taken.
pub(crate) struct Profiler {
    sampler: Sampler,
    job: &'static JobInfo,
}

/// The CPU time of a run by component and function.
#[derive(Debug, Serialize)]
pub(crate) struct CpuProfile {
    #[serde(flatten)]
    hot: Hot,
    /// Whether functions of the user have no line numbers, so that inlined functions are missing.
    without_lines: bool,
    folded: String,
    flame_graph: Option<String>,
}

impl Profiler {
    /// Starts to profile this process, with this many samples for each second of CPU time.
    pub(crate) fn start(job: &'static JobInfo, hertz: i32) -> Result<Self, String> {
        let sampler = Sampler::start(hertz).map_err(|error| error.to_string())?;
        Ok(Self { sampler, job })
    }

    /// Stops, and writes `NAME.folded` and `NAME.svg` into the folder.
    pub(crate) fn stop(self, folder: &Path, name: &str, title: &str) -> Result<CpuProfile, String> {
        let steps = Steps::of(&[self.job]);
        let samples = self.sampler.stop(&steps.crates()).map_err(|error| error.to_string())?;
        let without_lines = samples
            .iter()
            .flat_map(|(stack, _)| stack)
            .any(|frame| frame.origin == Origin::User && !frame.has_line);
        let stacks: Vec<_> = samples.iter().map(|(stack, count)| (steps.attribute(stack), *count)).collect();
        let stacks_by_name = Folded::of(&stacks);
        let write = |end: &str, content: &[u8]| {
            let file = folder.join(format!("{name}.{end}"));
            match std::fs::write(&file, content) {
                Ok(()) => Ok(file.display().to_string()),
                Err(error) => Err(format!("{} cannot be written: {error}", file.display())),
            }
        };
        let mut lines = stacks_by_name.lines().join("\n");
        if !lines.is_empty() {
            lines.push('\n');
        }
        let stacks_file = write("folded", lines.as_bytes())?;
        // Without samples there is nothing to draw.
        let flame_graph = match stacks_by_name.samples() {
            0 => None,
            _ => Some(write("svg", &flame::graph(title, &stacks_by_name)?)?),
        };
        Ok(CpuProfile { hot: Hot::of(&stacks, &steps), without_lines, folded: stacks_file, flame_graph })
    }
}

impl CpuProfile {
    /// Returns the functions that took the most time, and the names of the files, as text.
    pub(crate) fn text(&self) -> String {
        if self.hot.samples() == 0 {
            return "cpu time: no samples, because the run computed for less than a few hundredths of a second\n".to_owned();
        }
        let mut text = self.hot.table();
        let files = [Some(&self.folded), self.flame_graph.as_ref()].into_iter().flatten();
        let files: Vec<_> = files.map(String::as_str).collect();
        text.extend(["written to ", &files.join(" and "), "\n"]);
        if self.without_lines {
            text.push_str(
                "inlined functions are missing: add `debug = \"limited\"` to `[profile.release]` in Cargo.toml to see them\n",
            );
        }
        text
    }
}
