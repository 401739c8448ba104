//! Rules find the errors they name by type and by variant, in any wrapper.

use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::rc::Rc;

use batch_runtime::prelude::*;

use crate::support::World;

#[derive(Debug)]
enum Flaky {
    Busy { seconds: u32 },
    Broken,
}

impl fmt::Display for Flaky {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy { seconds } => write!(f, "busy for {seconds} s"),
            Self::Broken => f.write_str("broken"),
        }
    }
}

impl Error for Flaky {}

/// Stays on its thread.
#[derive(Debug)]
struct Bound {
    _to: Rc<()>,
    source: Flaky,
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bound")
    }
}

impl Error for Bound {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

thread_local! {
    static FAILS: Cell<u32> = const { Cell::new(0) };
}

/// Fails as often as the test says.
fn flaky() -> Result<(), Flaky> {
    match FAILS.get() {
        0 => Ok(()),
        left => {
            FAILS.set(left - 1);
            Err(Flaky::Busy { seconds: left })
        }
    }
}

#[reader]
fn numbers() -> impl Iterator<Item = u32> {
    0..3
}

#[writer]
fn drop_them(_numbers: &[u32]) {}

#[processor]
fn plain(number: u32) -> Result<u32, Flaky> {
    flaky().map(|()| number)
}

#[processor]
fn in_anyhow(number: &u32) -> anyhow::Result<u32> {
    flaky()?;
    Ok(*number)
}

#[processor]
fn in_anyhow_with_context(number: &u32) -> anyhow::Result<u32> {
    use anyhow::Context as _;
    flaky().context("asking the service")?;
    Ok(*number)
}

#[processor]
fn boxed(number: &u32) -> Result<u32, Box<dyn Error>> {
    flaky()?;
    Ok(*number)
}

#[processor]
fn not_send(number: &u32) -> Result<u32, Bound> {
    flaky().map(|()| *number).map_err(|source| Bound { _to: Rc::new(()), source })
}

macro_rules! steps {
    ($($step:ident: $processor:ident by $job:ident;)*) => {$(
        #[step(chunk = 10, retry(Flaky::Busy { .. }, limit = 2))]
        fn $step() {
            numbers | $processor | drop_them
        }

        #[job]
        fn $job() {
            $step;
        }
    )*};
}

steps! {
    repeat_plain: plain by job_plain;
    repeat_anyhow: in_anyhow by job_anyhow;
    repeat_context: in_anyhow_with_context by job_context;
    repeat_boxed: boxed by job_boxed;
    repeat_not_send: not_send by job_not_send;
}

#[test]
fn a_variant_is_found_plain_in_anyhow_and_in_any_box() {
    for launch in [job_plain(), job_anyhow(), job_context(), job_boxed(), job_not_send()] {
        FAILS.set(2);
        World::new().completes(&launch);
        FAILS.set(3);
        World::new().fails(&launch);
    }
    FAILS.set(0);
}

#[processor]
fn broken(_number: &u32) -> Result<u32, Flaky> {
    FAILS.set(FAILS.get() + 1);
    Err(Flaky::Broken)
}

#[step(chunk = 10, retry(Flaky::Busy { .. }, limit = 2))]
fn repeat_broken() {
    numbers | broken | drop_them
}

#[job]
fn job_broken() {
    repeat_broken;
}

#[test]
fn another_variant_is_not_retried() {
    FAILS.set(0);
    World::new().fails(&job_broken());
    assert_eq!(FAILS.replace(0), 1);
}

#[retry_policy]
fn short(error: &Flaky, repeated: u64) -> bool {
    repeated < 5 && matches!(error, Flaky::Busy { seconds } if *seconds < 3)
}

#[step(chunk = 10, retry(policy = short, limit = 9))]
fn repeat_short() {
    numbers | in_anyhow | drop_them
}

#[job]
fn job_short() {
    repeat_short;
}

#[test]
fn a_policy_is_asked_about_the_error_that_it_looks_at() {
    FAILS.set(2);
    World::new().completes(&job_short());
    FAILS.set(3);
    World::new().fails(&job_short());
    FAILS.set(0);
}
