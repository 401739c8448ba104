//! The threads of a step under a model checker, which decides at every step which thread runs next. No thread
//! waits forever, no chunk is lost, duplicated or out of order, and no thread is left over, whichever thread
//! ends in whatever way.
//!
//! The sources are those of the runtime, on top of other primitives. A failing schedule is printed, for
//! `shuttle::replay`. Orderings of atomics are not checked: all are as strict as possible.

mod model;
mod plan;
mod sync;
mod watch;

#[path = "../../src/engine/threads/channels.rs"]
mod channels;
#[path = "../../src/engine/threads/reorder_buffer.rs"]
mod reorder_buffer;
#[path = "../../src/engine/threads/requests.rs"]
mod requests;
#[path = "../../src/engine/threads/turn_lock.rs"]
mod turn_lock;

use std::sync::Arc;

use model::Why;
use plan::{Answer, Fall, Order, Plan, Reads};
use watch::Watch;

/// The number of schedules of each kind, for each way to read and each order.
const SCHEDULES: usize = 500;

/// The number of preemptions in schedules with few of them, which may be enough to reveal a fault.
const PREEMPTIONS: usize = 3;

/// Runs plans of one kind on many schedules; `ended` sees the outcome of each.
fn check(
    draw: impl Fn(Plan) -> Plan + Send + Sync + Clone + 'static,
    ended: impl Fn(&Plan, Result<(), Why>, &[u64]) + Send + Sync + Clone + 'static,
) {
    for reads in [Reads::SharedReader, Reads::ReaderThread] {
        for order in [Order::OfInput, Order::AsDone] {
            let (draw, ended) = (draw.clone(), ended.clone());
            let run = move || {
                let plan = draw(Plan::quiet(reads, order));
                let watch = Arc::new(Watch::default());
                let came = model::run(&plan, &watch);
                always(&plan, came, &watch);
                ended(&plan, came, &watch.taken());
            };
            println!("{reads:?}, {order:?}: {SCHEDULES} random schedules, as many with few preemptions");
            shuttle::check_random(run.clone(), SCHEDULES);
            shuttle::check_pct(run, SCHEDULES, PREEMPTIONS);
        }
    }
}

/// Asserts the promises that hold however a step ends.
fn always(plan: &Plan, came: Result<(), Why>, watch: &Watch) {
    let (taken, notified) = (watch.taken(), watch.notified());
    assert_eq!(watch.buffers(), 0, "buffers are left, {plan:?}");
    assert_ne!(came, Err(Why::Gone), "{plan:?}");
    if plan.order == Order::OfInput {
        assert!(taken.iter().copied().eq(0..taken.len() as u64), "{taken:?}, {plan:?}");
    }
    if came.is_ok() {
        let mut all = taken.clone();
        all.sort_unstable();
        assert!(all.iter().copied().eq(0..=plan.last), "{taken:?}, {plan:?}");
        assert_eq!(taken.last(), Some(&plan.last), "{plan:?}");
        assert_eq!(notified, all, "{plan:?}");
    }
    // A reader that can be notified is notified of all commits, however the step ends; a reader that is to be
    // reopened may be gone by then.
    if plan.unheard.is_none() && plan.reopen.is_none() {
        assert!(notified.iter().copied().eq(0..watch.committed()), "{notified:?}, {plan:?}");
    }
    // The chunks before the first failed one are those that a single thread would have done.
    if let (Err(Why::Chunk(at)), Order::OfInput) = (came, plan.order) {
        assert_eq!((Some(at), at), (plan.fails_at(), taken.len() as u64), "{plan:?}");
    }
}

#[test]
fn every_chunk_is_taken_once_in_its_order_and_the_reader_is_notified_of_each() {
    check(|quiet| quiet, |plan, came, _| assert_eq!(came, Ok(()), "{plan:?}"));
}

#[test]
fn a_reader_that_fails_ends_the_step_at_that_chunk() {
    check(Plan::whose_reader_fails, |plan, came, _| assert_eq!(came, Err(Why::Chunk(plan.last)), "{plan:?}"));
}

#[test]
fn a_worker_that_fails_ends_the_step_at_that_chunk() {
    check(
        |quiet| quiet.with_a_worker_that(Fall::Fails),
        |plan, came, _| assert_eq!(came, Err(Why::Chunk(plan.fails_at().unwrap())), "{plan:?}"),
    );
}

#[test]
fn a_worker_that_is_lost_with_its_chunk_ends_the_step_before_that_chunk() {
    check(
        |quiet| quiet.with_a_worker_that(Fall::IsLost),
        |plan, came, taken| {
            assert_eq!(came, Err(Why::Lost), "{plan:?}");
            assert!(!taken.contains(&plan.worker.unwrap().0), "{plan:?}");
        },
    );
}

#[test]
fn a_taker_that_leaves_takes_all_threads_with_it() {
    check(Plan::whose_taker_leaves, |plan, came, taken| {
        assert_eq!(came, Err(Why::Left), "{plan:?}");
        assert_eq!(Some(taken.len() as u64), plan.leaves, "{plan:?}");
    });
}

#[test]
fn a_request_to_reopen_the_reader_is_answered_or_ends() {
    check(Plan::that_reopens, |plan, came, _| {
        let (at, answer) = plan.reopen.unwrap();
        let expected = match plan.asks(at).map_or(Answer::Opened, |_| answer) {
            Answer::Opened => Ok(()),
            Answer::Refused | Answer::None => Err(Why::Chunk(at)),
            Answer::Leaves => Err(Why::Left),
        };
        assert_eq!(came, expected, "{plan:?}");
    });
}

#[test]
fn a_reader_that_fails_at_the_notification_of_a_commit_fails_the_step() {
    check(Plan::whose_reader_does_not_hear, |plan, came, _| assert_eq!(came, Err(Why::Unheard), "{plan:?}"));
}

#[test]
fn started_threads_end_if_another_one_cannot_be_started() {
    check(Plan::of_which_some_do_not_start, |plan, came, _| {
        assert_eq!(came, Err(Why::NotStarted), "{plan:?}");
    });
}

#[test]
fn whatever_happens_at_the_same_time_the_step_ends_for_one_of_the_reasons() {
    check(Plan::with_anything, |plan, came, _| {
        let may = match came {
            Ok(()) => {
                plan.fails_at().is_none()
                    && plan.worker.is_none()
                    && plan.leaves.is_none()
                    && plan.unheard.is_none()
            }
            Err(Why::Chunk(at)) => {
                let fails = [plan.worker.map(|(at, _)| at), plan.reopen.map(|(at, _)| at), Some(plan.last)];
                fails.contains(&Some(at))
            }
            Err(Why::Unheard) => plan.unheard.is_some(),
            Err(Why::Lost) => plan.falls(plan.worker.unwrap().0) == Some(Fall::IsLost),
            Err(Why::Left) => {
                plan.leaves.is_some() || plan.reopen.is_some_and(|(at, _)| plan.asks(at).is_some())
            }
            Err(Why::NotStarted | Why::Gone) => false,
        };
        assert!(may, "{came:?}, {plan:?}");
    });
}
