//! Tests whether a body still contains what an instance has passed.

use std::any::Any;

use super::check;
use crate::definition::{DeciderInfo, StepInfo, StepKind, StepOptions};
use crate::engine::flow::journal::{COMPLETED, STOPPED};
use crate::graph::{Activity, Arm, Node, Subject, Text, Use};
use crate::repository::{JournalEntry, SoFar};

const fn step(name: &'static str) -> StepInfo {
    let options = StepOptions::DEFAULT;
    let run = |_: &crate::engine::StepRun<'_>| unreachable!("nothing is executed");
    let kind = StepKind::Tasklet;
    StepInfo { id: name, name, doc: "", kind, options, components: &[], kinds: None, run }
}

const fn run(step: &'static StepInfo) -> Node {
    Node::Run(Use { name: step.name, activity: Activity::Step(step), bindings: &[] })
}

const fn choice(decider: &'static DeciderInfo, arms: &'static [Arm]) -> Node {
    let used = Use { name: decider.name, activity: Activity::Decider(decider), bindings: &[] };
    Node::Match { subject: Subject::Decider(decider), used, arms, route: first_arm }
}

fn first_arm(_: Box<dyn Any>) -> usize {
    0
}

static LOAD: StepInfo = step("load");
static CLEAN: StepInfo = step("clean");
static PAGE: StepInfo = step("page");
static QUALITY: DeciderInfo =
    DeciderInfo { id: "quality", name: "quality", needs: &[], decide: |_| unreachable!("nothing is asked") };

static BODY: &[Node] = &[
    run(&LOAD),
    choice(&QUALITY, &[Arm { label: "Good", body: &[] }, Arm { label: "Bad", body: &[run(&CLEAN)] }]),
    Node::Loop(&[
        run(&PAGE),
        choice(&QUALITY, &[Arm { label: "More", body: &[] }, Arm { label: "Enough", body: &[Node::Break] }]),
    ]),
    Node::Stop(Text::plain("look at it")),
];

fn entries(passed: &[(&str, &str)]) -> Vec<JournalEntry> {
    passed.iter().map(|(path, outcome)| JournalEntry::at(path, outcome)).collect()
}

fn passes(nodes: &'static [Node], journal: &[JournalEntry]) -> Result<(), String> {
    check(nodes, &[], &SoFar { journal, unfinished: &[], graph: "" }).map(|renamed| assert_eq!(renamed, []))
}

#[test]
fn every_prefix_of_a_passed_path_fits_the_body() {
    let passed = [
        ("load", COMPLETED),
        ("match quality", "Bad"),
        ("clean", COMPLETED),
        ("page[1]", COMPLETED),
        ("match quality#2[1]", "More"),
        ("page[2]", COMPLETED),
        ("match quality#2[2]", "Enough"),
        ("stop", STOPPED),
    ];
    for length in 0..=passed.len() {
        assert_eq!(passes(BODY, &entries(&passed[..length])), Ok(()), "{length}");
    }
}

static SPLIT: &[Node] = &[
    Node::Split {
        branches: &[
            &[choice(&QUALITY, &[Arm { label: "Good", body: &[] }]), run(&LOAD)],
            &[choice(&QUALITY, &[Arm { label: "Bad", body: &[] }]), run(&CLEAN)],
        ],
        max: None,
    },
    choice(&QUALITY, &[Arm { label: "Enough", body: &[] }]),
    run(&PAGE),
];

#[test]
fn branches_of_a_split_may_be_passed_in_any_order() {
    let (one, two) = (
        [("match quality", "Good"), ("load", COMPLETED)],
        [("match quality#2", "Bad"), ("clean", COMPLETED)],
    );
    let orders = [[one[0], two[0], one[1], two[1]], [two[0], two[1], one[0], one[1]]];
    for mut passed in orders.map(Vec::from) {
        passed.extend([("match quality#3", "Enough"), ("page", COMPLETED)]);
        for length in 0..=passed.len() {
            assert_eq!(passes(SPLIT, &entries(&passed[..length])), Ok(()), "{:?}", &passed[..length]);
        }
    }
}

#[test]
fn places_after_a_split_are_reached_only_after_all_branches() {
    let refused = passes(SPLIT, &entries(&[("match quality", "Good"), ("page", COMPLETED)])).unwrap_err();
    assert!(refused.contains("`page`"), "{refused}");
}

#[test]
fn the_refusal_names_a_step_that_is_no_longer_reached() {
    let refused = passes(BODY, &entries(&[("load", COMPLETED), ("check", COMPLETED)])).unwrap_err();
    assert!(refused.contains("`check`"), "{refused}");
    let refused =
        passes(BODY, &entries(&[("load", COMPLETED), ("match quality", "Good"), ("clean", COMPLETED)]));
    assert!(refused.unwrap_err().contains("`clean`"));
}

#[test]
fn the_refusal_names_an_arm_that_is_gone() {
    let refused = passes(BODY, &entries(&[("load", COMPLETED), ("match quality", "Ugly")])).unwrap_err();
    assert!(refused.contains("`match quality`") && refused.contains("`Ugly`"), "{refused}");
}
