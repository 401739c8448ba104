//! `split!`: branches run in parallel, all are awaited, and a restart runs the incomplete ones.

mod branches;
mod ends;
mod values;

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use batch_runtime::observe::JobReport;
use batch_runtime::prelude::*;

/// The steps that ran, by the job's `tag`; each entry wakes the steps that wait for it.
static RAN: Mutex<BTreeMap<String, Vec<String>>> = Mutex::new(BTreeMap::new());
static MORE: Condvar = Condvar::new();

/// Longer than any machine takes, so that a test fails instead of hanging.
const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) fn note(tag: &str, what: impl Into<String>) {
    RAN.lock().unwrap().entry(tag.to_owned()).or_default().push(what.into());
    MORE.notify_all();
}

pub(crate) fn ran(tag: &str) -> Vec<String> {
    RAN.lock().unwrap().get(tag).cloned().unwrap_or_default()
}

fn sorted(tag: &str) -> Vec<String> {
    let mut all = ran(tag);
    all.sort();
    all
}

/// Waits until that was noted.
pub(crate) fn meet(tag: &str, what: &str) -> Result<(), String> {
    let has = |ran: &mut BTreeMap<String, Vec<String>>| {
        ran.get(tag).is_some_and(|all| all.iter().any(|one| one == what))
    };
    let (ran, waited) =
        MORE.wait_timeout_while(RAN.lock().unwrap(), PATIENCE, |ran| !has(ran)).expect("nobody panics here");
    drop(ran);
    if waited.timed_out() { Err(format!("`{what}` never came")) } else { Ok(()) }
}

fn names(report: &JobReport) -> Vec<&str> {
    report.steps.iter().map(|step| step.name.as_str()).collect()
}

/// Notes its beginning and its end; fails if it is told to.
#[step]
fn task(tag: &str, step: &StepContext, fail: Option<String>) -> Result<(), String> {
    waiting(tag, step, None, fail)
}

/// Does the same, and waits in between for an entry of another step.
#[step]
fn waiting(tag: &str, step: &StepContext, after: Option<String>, fail: Option<String>) -> Result<(), String> {
    note(tag, format!("{} begins", step.step()));
    if let Some(after) = after {
        meet(tag, &after)?;
    }
    let fails = fail.is_some_and(|fail| fail == step.step());
    note(tag, format!("{} {}", step.step(), if fails { "fails" } else { "ends" }));
    if fails { Err("told to fail".to_owned()) } else { Ok(()) }
}
