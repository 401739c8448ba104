//! `completions`: a script by which a shell completes the command line.

use clap_complete::{Shell, generate};

use super::console::Console;
use super::options::{Parts, command};
use crate::definition::JobInfo;

/// `completions`
pub(super) fn print(shell: Shell, program: &str, jobs: &[&'static JobInfo], console: &Console) {
    let mut script = Vec::new();
    generate(shell, &mut command(program, jobs, console.width, Parts::All), program, &mut script);
    console.out.put(String::from_utf8_lossy(&script));
}
