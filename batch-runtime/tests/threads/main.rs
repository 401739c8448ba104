//! The threads of a step under a model checker, which picks at every point the thread that runs next. No
//! thread waits for ever or is left over, and no chunk is lost, committed twice or out of order, however any
//! thread leaves.
//!
//! The modules of the runtime are compiled over the checker's primitives. A failing schedule is printed for
//! `shuttle::replay`. Orderings of atomics are not checked: all of them are sequentially consistent here.

mod contexts;
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
#[path = "../../src/definition/values.rs"]
#[expect(dead_code, reason = "the model has no branches, and its step does not fail")]
mod values;

use std::sync::Arc;

use model::Why;
use plan::{Answer, Order, Plan, Reads, WorkerEnd};
use watch::Watch;

/// The number of schedules of each kind, for each way to read and each order.
const SCHEDULES: usize = 500;

/// The number of preemptions in schedules with few of them.
const PREEMPTIONS: usize = 3;

/// Runs plans made by `draw` on many schedules, and passes the result of each to `ended`.
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
                let result = model::run(&plan, &watch);
                always(&plan, result, &watch);
                ended(&plan, result, &watch.taken());
            };
            println!("{reads:?}, {order:?}: {SCHEDULES} random schedules, as many with few preemptions");
            shuttle::check_random(run.clone(), SCHEDULES);
            shuttle::check_pct(run, SCHEDULES, PREEMPTIONS);
        }
    }
}

/// Asserts what holds however a step ends.
fn always(plan: &Plan, result: Result<(), Why>, watch: &Watch) {
    let (taken, notified) = (watch.taken(), watch.notified());
    assert_eq!(watch.buffers(), 0, "buffers are left, {plan:?}");
    assert_ne!(result, Err(Why::Gone), "{plan:?}");
    if plan.order == Order::OfInput {
        assert!(taken.iter().copied().eq(0..taken.len() as u64), "{taken:?}, {plan:?}");
    }
    if result.is_ok() {
        let mut all = taken.clone();
        all.sort_unstable();
        assert!(all.iter().copied().eq(0..=plan.last), "{taken:?}, {plan:?}");
        assert_eq!(taken.last(), Some(&plan.last), "{plan:?}");
        assert_eq!(notified, all, "{plan:?}");
    }
    // The reader is notified of all commits, however the step ends, unless a notification fails or reopening
    // it fails.
    if plan.notify_fails.is_none() && plan.reopens.is_none() {
        assert!(notified.iter().copied().eq(0..watch.committed()), "{notified:?}, {plan:?}");
    }
    // The chunks before the first that failed are those a single thread would have committed.
    if let (Err(Why::Chunk(at)), Order::OfInput) = (result, plan.order) {
        assert_eq!((Some(at), at), (plan.fails_at(), taken.len() as u64), "{plan:?}");
    }
}

#[test]
fn every_chunk_is_taken_once_in_order_and_the_reader_is_notified_of_each() {
    check(|quiet| quiet, |plan, result, _| assert_eq!(result, Ok(()), "{plan:?}"));
}

#[test]
fn a_reader_that_fails_ends_the_step_at_that_chunk() {
    check(Plan::whose_reader_fails, |plan, result, _| {
        assert_eq!(result, Err(Why::Chunk(plan.last)), "{plan:?}");
    });
}

#[test]
fn a_worker_that_fails_ends_the_step_at_that_chunk() {
    check(
        |quiet| quiet.with_a_worker_that(WorkerEnd::Fails),
        |plan, result, _| assert_eq!(result, Err(Why::Chunk(plan.fails_at().unwrap())), "{plan:?}"),
    );
}

#[test]
fn a_worker_that_is_lost_with_its_chunk_ends_the_step_before_that_chunk() {
    check(
        |quiet| quiet.with_a_worker_that(WorkerEnd::IsLost),
        |plan, result, taken| {
            assert_eq!(result, Err(Why::Lost), "{plan:?}");
            assert!(!taken.contains(&plan.worker.unwrap().0), "{plan:?}");
        },
    );
}

#[test]
fn a_step_thread_that_leaves_ends_all_threads() {
    check(Plan::whose_step_thread_leaves, |plan, result, taken| {
        assert_eq!(result, Err(Why::Left), "{plan:?}");
        assert_eq!(Some(taken.len() as u64), plan.leaves, "{plan:?}");
    });
}

#[test]
fn a_request_to_reopen_the_reader_is_answered_or_ends() {
    check(Plan::that_reopens, |plan, result, _| {
        let (at, answer) = plan.reopens.unwrap();
        let expected = match plan.request_at(at).map_or(Answer::Opened, |_| answer) {
            Answer::Opened => Ok(()),
            Answer::Refused | Answer::None => Err(Why::Chunk(at)),
            Answer::Leaves => Err(Why::Left),
        };
        assert_eq!(result, expected, "{plan:?}");
    });
}

#[test]
fn a_reader_that_fails_when_notified_of_a_commit_fails_the_step() {
    check(Plan::whose_notification_fails, |plan, result, _| {
        assert_eq!(result, Err(Why::NotifyFailed), "{plan:?}");
    });
}

#[test]
fn threads_end_if_another_cannot_be_started() {
    check(Plan::of_which_some_do_not_start, |plan, result, _| {
        assert_eq!(result, Err(Why::NotStarted), "{plan:?}");
    });
}

#[test]
fn a_step_with_several_faults_ends_for_one_of_them() {
    check(Plan::with_anything, |plan, result, _| {
        let may = match result {
            Ok(()) => {
                plan.fails_at().is_none()
                    && plan.worker.is_none()
                    && plan.leaves.is_none()
                    && plan.notify_fails.is_none()
            }
            Err(Why::Chunk(at)) => {
                let fails = [plan.worker.map(|(at, _)| at), plan.reopens.map(|(at, _)| at), Some(plan.last)];
                fails.contains(&Some(at))
            }
            Err(Why::NotifyFailed) => plan.notify_fails.is_some(),
            Err(Why::Lost) => plan.worker_end(plan.worker.unwrap().0) == Some(WorkerEnd::IsLost),
            Err(Why::Left) => {
                plan.leaves.is_some() || plan.reopens.is_some_and(|(at, _)| plan.request_at(at).is_some())
            }
            Err(Why::NotStarted | Why::Gone) => false,
        };
        assert!(may, "{result:?}, {plan:?}");
    });
}
