//! Receives: a shape and what is to happen to one of its system calls. Gives: the command that runs it so, and the calls
//! that an undisturbed run makes.
//!
//! `strace` counts the calls of each name by themselves. An injected SIGKILL comes at the entry of the call, which
//! then is not executed: the death is before the call. The death after it is the one before the next call of the
//! list, which ends with `exit_group`: between two of them nothing is changed that another process could see.

use std::fs;
use std::process::{Command, Stdio};

use crate::process::{self, Ended};
use crate::shape::{Folder, PROGRAM, Shape};

/// Calls that change what the next process finds.
pub(crate) const DURABLE: &str = "write,writev,pwrite64,pwritev,pwritev2,fsync,fdatasync,ftruncate,fallocate,copy_file_range,rename,renameat,renameat2,link,linkat,unlink,unlinkat";
/// With those that make a file, and the end.
const DEADLY: &str = "openat,mkdir,mkdirat,exit_group";

/// The `number`th call of that name, from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) name: String,
    pub(crate) number: usize,
}

impl Call {
    /// Can it fail for want of space, or by a broken disk?
    pub(crate) fn is_durable(&self) -> bool {
        DURABLE.split(',').any(|name| name == self.name)
    }
}

/// Is there a `strace`?
pub(crate) fn is_there() -> bool {
    let mut command = Command::new("strace");
    command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// The shape under `strace`, which does `what` (`name:signal=SIGKILL:when=3`) to it.
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

/// The lines that `strace` wrote of the main thread.
pub(crate) fn lines(folder: &Folder) -> Vec<String> {
    let text = fs::read_to_string(folder.beside("trace")).expect("strace wrote it");
    let main = text.split_whitespace().next().unwrap_or_default();
    let own = text.lines().filter_map(|line| line.strip_prefix(main));
    own.map(|line| line.trim_start().to_owned()).collect()
}

/// The calls of a run that nothing happens to, in order.
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
