//! Runs a shape under `strace`, to inject faults into its system calls or to list the calls of an undisturbed run.
//!
//! `strace` counts the calls of each name separately. An injected SIGKILL comes at the entry of the call, which is then
//! not executed: the process dies before the call. A death after the call is the same as one before the next call of the
//! list, which ends with `exit_group`, because between two calls nothing changes that another process could see.

use std::fs;
use std::process::Command;

use crate::process::{self, Ended};
use crate::shape::{Folder, PROGRAM, Shape};

/// Calls whose effect the next process can see.
pub(crate) const DURABLE: &str = "write,writev,pwrite64,pwritev,pwritev2,fsync,fdatasync,ftruncate,fallocate,copy_file_range,rename,renameat,renameat2,link,linkat,unlink,unlinkat";
/// More calls before which a kill is tried: those that create a file, and the exit.
const DEADLY: &str = "openat,mkdir,mkdirat,exit_group";

/// The `number`th call of that name, from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) name: String,
    pub(crate) number: usize,
}

impl Call {
    /// Returns whether the call can fail because of a full or broken disk.
    pub(crate) fn is_durable(&self) -> bool {
        DURABLE.split(',').any(|name| name == self.name)
    }
}

/// The shape under `strace`, with the injection `what` (`name:signal=SIGKILL:when=3`).
pub(crate) fn command(folder: &Folder, shape: &Shape, trace: &str, what: &[String]) -> Command {
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o"]).arg(folder.beside("trace")).arg("-e").arg(format!("trace={trace}"));
    for what in what {
        command.arg("-e").arg(format!("inject={what}"));
    }
    command.arg(PROGRAM).args(shape.words());
    folder.enter(&mut command);
    command
}

/// The lines that `strace` wrote for the main thread.
pub(crate) fn lines(folder: &Folder) -> Vec<String> {
    let text = fs::read_to_string(folder.beside("trace")).expect("strace wrote it");
    let main = text.split_whitespace().next().unwrap_or_default();
    let own = text.lines().filter_map(|line| line.strip_prefix(main));
    own.map(|line| line.trim_start().to_owned()).collect()
}

/// The calls of an undisturbed run, in order.
pub(crate) fn calls(folder: &Folder, shape: &Shape) -> Vec<Call> {
    let ended = process::run(&mut command(folder, shape, &format!("{DURABLE},{DEADLY}"), &[]));
    assert_eq!(ended, Ended::Code(0), "{} undisturbed: {}", shape.job, folder.said());
    let mut calls: Vec<Call> = Vec::new();
    for line in lines(folder) {
        let Some((name, _)) = line.split_once('(').filter(|(name, _)| !name.contains(' ')) else { continue };
        let number = calls.iter().filter(|call| call.name == name).count() + 1;
        calls.push(Call { name: name.to_owned(), number });
    }
    calls
}
