//! Samples the stacks of all threads of the process, by the CPU time that they use.

use std::collections::{BTreeSet, HashMap};
use std::ffi::c_void;
use std::fs;
use std::hint::black_box;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use nix::sys::signal::{self, Signal};
use pprof::{ProfilerGuard, ProfilerGuardBuilder};

use super::frame::Frame;

/// A stack, the outermost function first, and how many samples found it.
pub(crate) type Sampled = (Vec<Frame>, u64);

/// Samples the process until it is stopped. A process can have only one sampler.
pub(crate) struct Sampler {
    guard: ProfilerGuard<'static>,
}

impl Sampler {
    /// Starts to take this many samples for each second of CPU time.
    pub(crate) fn start(hertz: i32) -> Result<Self, pprof::Error> {
        let guard = ProfilerGuardBuilder::default().frequency(hertz).build()?;
        first_sample();
        Ok(Self { guard })
    }

    /// Stops, and names the functions in the stacks. Functions of `crates` are the user's.
    pub(crate) fn stop(self, crates: &[&str]) -> Result<Vec<Sampled>, pprof::Error> {
        let report = self.guard.report().build_unresolved();
        let before = empty_files();
        drop(self.guard);
        remove_new_file(&before);
        let mut names = Names { crates, known: HashMap::new() };
        let stacks = report?.data.into_iter().map(|(stack, count)| {
            let addresses: Vec<usize> = stack.frames.iter().map(|frame| frame.ip).collect();
            (names.of(&addresses), u64::try_from(count).unwrap_or(0))
        });
        Ok(stacks.filter(|(stack, _)| !stack.iter().any(|frame| frame.name() == FIRST)).collect())
    }
}

/// Takes a sample at once, on this thread. At its first sample, the sampler loads what it needs, and allocates memory
/// for that. In a signal handler that interrupts an allocation, this would deadlock.
#[inline(never)]
fn first_sample() {
    // If the signal cannot be sent, the first sample is taken later. Using the result after the call keeps this
    // function in the stack.
    let _ = black_box(signal::raise(Signal::SIGPROF));
}

/// The name of [`first_sample`] in a stack.
const FIRST: &str = "first_sample";

/// The functions at addresses.
struct Names<'c> {
    crates: &'c [&'c str],
    known: HashMap<usize, Vec<Frame>>,
}

impl Names<'_> {
    /// The functions of a stack. The addresses have the innermost function first, the result has the outermost first.
    fn of(&mut self, addresses: &[usize]) -> Vec<Frame> {
        let mut frames = Vec::with_capacity(addresses.len());
        for (depth, address) in addresses.iter().enumerate().rev() {
            // The address of a caller is that of the instruction after the call, so the lookup goes one byte back.
            // The innermost address is that of the running instruction itself.
            let address = if depth == 0 { address.saturating_add(1) } else { *address };
            let crates = self.crates;
            frames.extend_from_slice(self.known.entry(address).or_insert_with(|| frames_at(address, crates)));
        }
        frames
    }
}

/// The function at an address and the functions that are inlined there, the outermost first.
fn frames_at(address: usize, crates: &[&str]) -> Vec<Frame> {
    let mut frames = Vec::new();
    backtrace::resolve(address as *mut c_void, |symbol| {
        if let Some(name) = symbol.name() {
            let file = symbol.filename().and_then(|file| file.to_str());
            frames.push(Frame::of(&format!("{name:#}"), file, crates));
        }
    });
    frames.reverse();
    frames
}

/// The empty temporary files that the process has open.
fn empty_files() -> BTreeSet<PathBuf> {
    let folder = std::env::temp_dir();
    let is_empty = |path: &PathBuf| fs::metadata(path).is_ok_and(|file| file.is_file() && file.size() == 0);
    let is_temporary = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        path.parent() == Some(&folder) && name.is_some_and(|name| name.starts_with(".tmp"))
    };
    let open = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let paths = open.filter_map(|open| fs::read_link(open.path()).ok());
    paths.filter(|path| is_temporary(path) && is_empty(path)).collect()
}

/// Removes the temporary file that pprof opens when it stops, for further samples. pprof itself never removes it.
fn remove_new_file(before: &BTreeSet<PathBuf>) {
    let after = empty_files();
    let mut new = after.difference(before);
    // If there are several new files, some may be the program's, so remove none.
    if let (Some(file), None) = (new.next(), new.next()) {
        // If the file cannot be removed, it does no harm.
        let _ = fs::remove_file(file);
    }
}
