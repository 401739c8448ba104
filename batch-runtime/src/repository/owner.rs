//! Identifies this process as the owner of an execution, and describes owners.

use std::sync::OnceLock;

use crate::repository::Owner;

/// This process, with a unique name for each launch.
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
pub(in crate::repository) fn in_words(owner: Option<&Owner>) -> String {
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
    start_in("/proc/self/stat")
}

/// The start time of a process on this host; `None` if there is no such process.
#[cfg(feature = "postgres")]
pub(in crate::repository) fn start_of(pid: u32) -> Option<u64> {
    start_in(&format!("/proc/{pid}/stat"))
}

fn start_in(file: &str) -> Option<u64> {
    let stat = std::fs::read_to_string(file).ok()?;
    // The second field is the program's name in brackets, which may itself contain spaces and brackets.
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_ascii_whitespace().nth(19)?.parse().ok()
}

fn boot_id() -> Option<String> {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_launch_has_its_own_name() {
        let (first, second) = (this_process(), this_process());
        assert_ne!(first.uuid, second.uuid);
        assert_eq!((first.pid, first.start_ticks), (std::process::id(), second.start_ticks));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_start_of_the_process_and_the_boot_are_known() {
        let owner = this_process();
        assert!(owner.start_ticks > 0);
        assert_eq!(owner.boot_id.len(), 36);
    }
}
