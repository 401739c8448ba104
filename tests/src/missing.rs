//! Leaves out a test whose program or data is missing; where `CI` is set, the test fails instead.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// True where every test must run: `CI` is set, and not empty.
#[must_use]
pub fn nothing_may_be() -> bool {
    std::env::var_os("CI").is_some_and(|ci| !ci.is_empty())
}

/// Says once per process what is missing and how to get it. The caller then ends its test.
///
/// # Panics
/// If nothing may be missing.
pub fn leave_out(missing: &str, remedy: &str) {
    static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    assert!(!nothing_may_be(), "{missing}: {remedy}");
    let line = format!("left out: {missing} ({remedy})\n");
    if SAID.lock().unwrap_or_else(PoisonError::into_inner).insert(line.clone()) {
        // Unlike a macro that prints, this is shown even if the test passes.
        drop(std::io::stderr().write_all(line.as_bytes()));
    }
}

/// Returns whether there is a program of that name; says how to install it if there is none.
///
/// # Panics
/// If there is none and nothing may be missing.
#[must_use]
pub fn has_program(name: &str) -> bool {
    let tried = Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if tried.is_err() {
        leave_out(&format!("there is no {name}"), &format!("apt-get install {name}"));
    }
    tried.is_ok()
}
