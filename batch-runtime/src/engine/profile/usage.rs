//! Asks the operating system for the CPU time and the memory of the process.

use std::fs;
use std::sync::LazyLock;
use std::thread;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

/// The CPU time of the process in nanoseconds, and its peak resident memory in bytes.
pub(super) fn process() -> (u64, Option<u64>) {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else { return (0, None) };
    let cpu = nanos(usage.user_time()) + nanos(usage.system_time());
    // Linux and the BSDs count kilobytes, macOS bytes.
    let unit = if cfg!(target_vendor = "apple") { 1 } else { 1_024 };
    let peak = u64::try_from(usage.max_rss()).ok().map(|peak| peak * unit).filter(|peak| *peak > 0);
    (cpu, peak)
}

fn nanos(time: TimeVal) -> u64 {
    let (seconds, micros) = (u64::try_from(time.tv_sec()), u64::try_from(time.tv_usec()));
    seconds.unwrap_or_default() * 1_000_000_000 + micros.unwrap_or_default() * 1_000
}

/// The memory that the process has resident now, in bytes; `None` if `/proc` does not report it.
pub(super) fn memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1_024)
}

/// How long the current thread could have run but had no core, in nanoseconds; `None` if `/proc` does not report it.
pub(super) fn delayed() -> Option<u64> {
    fs::read_to_string("/proc/thread-self/schedstat").ok()?.split_whitespace().nth(1)?.parse().ok()
}

/// The number of cores that the process may use, as it was when this was first asked: to find it out, Linux reads
/// several files.
pub(super) fn cores() -> u32 {
    static CORES: LazyLock<u32> = LazyLock::new(|| {
        thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(u32::MAX))
    });
    *CORES
}
