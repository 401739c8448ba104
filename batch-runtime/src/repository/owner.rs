//! Identifies this process as the owner of an execution, and describes owners.

#[cfg(feature = "serve")]
use std::ffi::OsString;
#[cfg(feature = "serve")]
use std::path::PathBuf;
use std::sync::OnceLock;

use crate::repository::Owner;

/// This process as an owner, with a unique ID for each launch.
pub(in crate::repository) fn this_process() -> Owner {
    static PROCESS: OnceLock<Owner> = OnceLock::new();
    let process = PROCESS.get_or_init(|| Owner {
        uuid: String::new(),
        host: host_name(),
        pid: std::process::id(),
        start_ticks: start_ticks().unwrap_or_default(),
        boot_id: boot_id().unwrap_or_default(),
    });
    Owner { uuid: uuid::Uuid::new_v4().to_string(), ..process.clone() }
}

/// The owner, for messages.
pub(crate) fn in_words(owner: Option<&Owner>) -> String {
    match owner {
        Some(owner) => format!("process {} on host {}", owner.pid, owner.host),
        None => "an owner that this framework does not know".to_owned(),
    }
}

#[cfg(unix)]
fn host_name() -> String {
    nix::unistd::gethostname()
        .map_or_else(|_| "unknown".to_owned(), |name| name.to_string_lossy().into_owned())
}

#[cfg(not(unix))]
fn host_name() -> String {
    std::env::var("COMPUTERNAME").unwrap_or_else(|_| "unknown".to_owned())
}

fn start_ticks() -> Option<u64> {
    start_in(&std::fs::read_to_string("/proc/self/stat").ok()?)
}

/// The start time of a process on this host; `None` if there is no such process, or only a zombie.
#[cfg(any(feature = "postgres", feature = "serve"))]
pub(in crate::repository) fn start_of(pid: u32) -> Option<u64> {
    start_in(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The command line of an owner and the folder it runs in, if it is alive on this machine and this user may see them.
#[cfg(feature = "serve")]
pub(crate) fn command_line(owner: &Owner) -> Option<(Vec<OsString>, PathBuf)> {
    use std::os::unix::ffi::OsStringExt as _;

    // Only the start time distinguishes the owner from a later process with the same PID.
    let is_it =
        || boot_id().as_ref() == Some(&owner.boot_id) && start_of(owner.pid) == Some(owner.start_ticks);
    if !is_it() {
        return None;
    }
    let line = std::fs::read(format!("/proc/{}/cmdline", owner.pid)).ok()?;
    let folder = std::fs::read_link(format!("/proc/{}/cwd", owner.pid)).ok()?;
    let words = line.split(|byte| *byte == 0).map(|word| OsString::from_vec(word.to_vec())).collect();
    is_it().then_some((words, folder))
}

fn start_in(stat: &str) -> Option<u64> {
    // The second field is the program's name in brackets, which may itself contain spaces and brackets.
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
    let (state, threads) = (*fields.first()?, *fields.get(17)?);
    if matches!(state, "Z" | "X") && threads == "1" {
        return None;
    }
    fields.get(19)?.parse().ok()
}

fn boot_id() -> Option<String> {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_launch_has_its_own_id() {
        let (first, second) = (this_process(), this_process());
        assert_ne!(first.uuid, second.uuid);
        assert_eq!((first.pid, first.start_ticks), (std::process::id(), second.start_ticks));
    }

    #[cfg(all(target_os = "linux", feature = "postgres"))]
    #[test]
    fn a_process_that_nobody_has_waited_for_yet_is_dead() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        assert!(start_of(child.id()).is_some());
        child.kill().unwrap();
        let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while start_of(child.id()).is_some() {
            assert!(std::time::Instant::now() < until);
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert!(start_of(child.id()).is_none());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_start_of_the_process_and_the_boot_are_known() {
        let owner = this_process();
        assert!(owner.start_ticks > 0);
        assert_eq!(owner.boot_id.len(), 36);
    }
}
