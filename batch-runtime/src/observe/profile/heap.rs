//! Records the allocations of a run: where the memory at its peak was allocated, and what is left at the end.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::attribution::Steps;
use super::sites::{Site, Sites};
use crate::definition::JobInfo;
use crate::observe::words;

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// Stacks are cut at this depth. That is deep enough, because the component is near the allocation.
const DEPTH: usize = 64;
/// The maximum number of places that are shown.
const MOST: usize = 10;

/// Records allocations until it is stopped. A process can have only one.
pub(crate) struct HeapProfiler {
    recorder: dhat::Profiler,
    unfinished: PathBuf,
    steps: Steps,
}

/// The memory of a run by the place of its allocation.
#[derive(Debug, Serialize)]
pub(crate) struct HeapProfile {
    peak_bytes: u64,
    end_bytes: u64,
    at_peak: Vec<Site>,
    at_end: Vec<Site>,
    file: String,
}

impl HeapProfiler {
    /// Starts to record the allocations of this process.
    pub(crate) fn start(job: &'static JobInfo, folder: &Path) -> Self {
        // The execution has no number yet, so use that of the process.
        let unfinished = folder.join(format!(".heap.{}.part", std::process::id()));
        let recorder = dhat::Profiler::builder().file_name(&unfinished).trim_backtraces(Some(DEPTH)).build();
        Self { recorder, unfinished, steps: Steps::of(&[job]) }
    }

    /// Stops, and writes `NAME.heap.json` into the folder.
    pub(crate) fn stop(self, folder: &Path, name: &str) -> Result<HeapProfile, String> {
        drop(self.recorder);
        let file = folder.join(format!("{name}.heap.json"));
        let shown = file.display().to_string();
        let failed = |error| format!("{shown} cannot be written: {error}");
        fs::rename(&self.unfinished, &file).map_err(failed)?;
        let text = fs::read_to_string(&file).map_err(failed)?;
        let sites = Sites::parse(&text, &self.steps)?;
        Ok(HeapProfile {
            peak_bytes: sites.peak_bytes(),
            end_bytes: sites.end_bytes(),
            at_peak: sites.largest(|site| site.peak_bytes, MOST),
            at_end: sites.largest(|site| site.end_bytes, MOST),
            file: shown,
        })
    }
}

impl HeapProfile {
    /// Returns the tables that a person reads.
    pub(crate) fn text(&self) -> String {
        let peak = Site::table("heap at its peak", &self.at_peak, |site| (site.peak_bytes, site.peak_blocks));
        let end = Site::table("left at the end", &self.at_end, |site| (site.end_bytes, site.end_blocks));
        let total = |bytes| format!("{} bytes in all", words::count(bytes));
        let end =
            if self.end_bytes == 0 { String::new() } else { format!("\n{end}{}\n", total(self.end_bytes)) };
        format!("{peak}{}\n{end}written to {}\n", total(self.peak_bytes), self.file)
    }
}
