//! Branches run in parallel and are joined, and a restart runs those that are not complete.

use batch_runtime::prelude::*;
use batch_runtime::repository::BatchStatus;

use super::{names, ran, sorted, task, waiting};
use crate::support::{World, step};

#[job]
fn overlapping(tag: String, fail: Option<String>) {
    split! {
        waiting(after = "right begins") as left,
        waiting(after = "left begins") as right,
    }
    waiting(after = "left ends") as last;
}

#[test]
fn branches_run_at_the_same_time_and_are_joined_before_the_next_step() {
    let world = World::new();
    // Each waits for the other to begin: in sequence they would never end.
    let report = world.completes(&overlapping("overlapping".to_owned(), None));
    assert_eq!(names(&report), ["left", "right", "last"]);
    let ran = ran("overlapping");
    assert_eq!(ran[4..], ["last begins", "last ends"], "{ran:?}");
}

#[flow]
fn pair() {
    task as first_of_pair;
    task as second_of_pair;
}

#[job]
fn half(tag: String, #[param(identifying = false)] fail: Option<String>) {
    task as first;
    split! {
        task as left,
        pair,
    }
    task as last;
}

#[test]
fn a_split_waits_for_all_branches_if_one_fails_and_a_restart_runs_the_incomplete_ones() {
    let world = World::new();
    let tag = "half".to_owned();
    let failed = world.fails(&half(tag.clone(), Some("left".to_owned())));
    assert!(failed.exit.description.contains("step `left`: "), "{}", failed.exit.description);
    assert_eq!(names(&failed), ["first", "left", "first_of_pair", "second_of_pair"]);
    assert_eq!(step(&failed, "second_of_pair").status, BatchStatus::Completed);
    let report = world.completes(&half(tag.clone(), None));
    assert_eq!(names(&report), ["left", "last"]);
    assert_eq!(report.passed, ["first", "first_of_pair", "second_of_pair"]);
}

#[job]
fn awaited(tag: String, #[param(identifying = false)] fail: Option<String>) {
    split! {
        task as left,
        { waiting(after = "left fails") as right; task as later; }
    }
}

#[test]
fn the_later_steps_of_a_branch_run_even_after_the_failure_of_another() {
    let world = World::new();
    let report = world.fails(&awaited("awaited".to_owned(), Some("left".to_owned())));
    assert_eq!(names(&report), ["left", "right", "later"]);
}

#[job]
fn nested_splits(tag: String, #[param(identifying = false)] fail: Option<String>) {
    split! {
        waiting(after = "c begins") as a,
        {
            split! { waiting(after = "a begins") as b, waiting(after = "b begins") as c }
            task as d;
        },
    }
}

#[test]
fn a_split_may_be_in_a_branch_of_another() {
    let world = World::new();
    let tag = "nested splits".to_owned();
    let failed = world.fails(&nested_splits(tag.clone(), Some("c".to_owned())));
    // `d` does not run, because the inner split before it failed.
    assert_eq!(names(&failed), ["a", "b", "c"]);
    assert_eq!(names(&world.completes(&nested_splits(tag, None))), ["c", "d"]);
}

#[job]
fn one_at_a_time(tag: String, fail: Option<String>) {
    split! {
        max = 1;
        { task as a; task as b; },
        task as c,
        task as d,
    }
}

#[test]
fn no_more_branches_than_max_run_at_once() {
    let world = World::new();
    world.completes(&one_at_a_time("one at a time".to_owned(), None));
    let one_by_one = ["a", "b", "c", "d"].map(|name| [format!("{name} begins"), format!("{name} ends")]);
    assert_eq!(ran("one at a time"), one_by_one.concat());
}

#[job]
fn two_at_a_time(tag: String, fail: Option<String>) {
    split! {
        max = 2;
        waiting(after = "c ends") as a,
        task as b,
        waiting(after = "b ends") as c,
    }
}

#[test]
fn a_branch_begins_when_an_earlier_one_has_ended() {
    let world = World::new();
    world.completes(&two_at_a_time("two at a time".to_owned(), None));
    let ran = ran("two at a time");
    let at = |what: &str| ran.iter().position(|one| one == what).unwrap();
    assert!(at("b ends") < at("c begins"), "{ran:?}");
}

#[decider]
fn again(tag: &str) -> bool {
    ran(tag).iter().filter(|what| what.ends_with("] ends")).count() < 5
}

#[job]
fn looping(tag: String, #[param(identifying = false)] fail: Option<String>) {
    while again {
        split! { task as one, task as two }
    }
    split! {
        { while again { task as never; } },
        { loop { match again { true => {}, false => break } } },
    }
}

#[test]
fn a_split_in_a_loop_runs_in_each_iteration_and_loops_run_in_branches() {
    let world = World::new();
    let tag = "looping".to_owned();
    world.fails(&looping(tag.clone(), Some("two[2]".to_owned())));
    world.completes(&looping(tag.clone(), None));
    assert_eq!(
        sorted(&tag).into_iter().filter(|what| what.ends_with("begins")).collect::<Vec<_>>(),
        [
            "one[1] begins",
            "one[2] begins",
            "one[3] begins",
            "two[1] begins",
            "two[2] begins",
            "two[2] begins",
            "two[3] begins"
        ]
    );
    assert_eq!(
        world.texts("SELECT PATH FROM BATCH_JOURNAL WHERE PATH LIKE '%again%' ORDER BY PATH"),
        [
            "match again[1]",
            "while again#2[1]",
            "while again[1]",
            "while again[2]",
            "while again[3]",
            "while again[4]"
        ],
    );
}

#[job]
fn inner(tag: String, #[param(identifying = false)] fail: Option<String>) {
    task as within;
}

#[job]
fn with_jobs(tag: String, #[param(identifying = false)] fail: Option<String>) {
    split! { inner, task as beside }
}

#[test]
fn a_job_runs_as_a_branch() {
    let world = World::new();
    let tag = "with_jobs".to_owned();
    let failed = world.fails(&with_jobs(tag.clone(), Some("within".to_owned())));
    assert_eq!(names(&failed), ["inner/within", "inner", "beside"]);
    assert_eq!(names(&world.completes(&with_jobs(tag, None))), ["inner/within", "inner"]);
}
