//! Receives: the journal of an instance, and the job's body. Gives: what was passed already, and whether the body still holds
//! all of it.

use std::collections::{BTreeMap, BTreeSet};

use super::flow::{Branch, Driver, Place, walk};
use super::step::Route;
use crate::definition::DeciderInfo;
use crate::graph::{Node, Subject};
use crate::repository::JournalEntry;

/// The outcomes that the journal records for places other than arms.
pub(super) const COMPLETED: &str = "COMPLETED";
pub(super) const FAILED: &str = "FAILED";
pub(super) const STOPPED: &str = "STOPPED";

/// What an instance has passed, by place.
#[derive(Debug, Default)]
pub(super) struct Journal(BTreeMap<String, JournalEntry>);

impl Journal {
    pub(super) fn new(entries: impl IntoIterator<Item = JournalEntry>) -> Self {
        Self(entries.into_iter().map(|entry| (entry.path.clone(), entry)).collect())
    }

    pub(super) fn at(&self, path: &str) -> Option<&JournalEntry> {
        self.0.get(path)
    }

    /// The arm that was taken there.
    pub(super) fn arm(&self, choice: &str, route: Route) -> Option<Result<usize, String>> {
        let label = &self.at(choice)?.outcome;
        let found = route.arms.iter().position(|arm| arm.label == label);
        Some(found.ok_or_else(|| format!("`{choice}` took the arm `{label}`, which is no longer there")))
    }
}

/// Does the body still hold the journal?
///
/// # Errors
/// The first place that was passed and is no longer reached.
pub(super) fn holds(nodes: &'static [Node], entries: &[JournalEntry]) -> Result<(), String> {
    let journal = Journal::new(entries.iter().cloned());
    let mut replay = Replay { journal: &journal, met: BTreeSet::new() };
    if let Err(Halt::Mismatch(what)) = walk(nodes, &mut replay) {
        return Err(what);
    }
    match entries.iter().find(|entry| !replay.met.contains(&entry.path)) {
        Some(entry) => Err(format!(
            "it has passed `{}` ({}), which the job no longer comes to",
            entry.path, entry.outcome
        )),
        None => Ok(()),
    }
}

struct Replay<'j> {
    journal: &'j Journal,
    met: BTreeSet<String>,
}

enum Halt {
    /// Behind the last entry, or at the job's end.
    Front,
    Mismatch(String),
}

impl Replay<'_> {
    fn meet(&mut self, path: &str) -> Result<&JournalEntry, Halt> {
        let entry = self.journal.at(path).ok_or(Halt::Front)?;
        self.met.insert(path.to_owned());
        Ok(entry)
    }
}

impl Driver for Replay<'_> {
    type Halt = Halt;

    fn run(&mut self, place: &Place<'_>) -> Result<(), Halt> {
        self.meet(&place.path).map(|_| ())
    }

    fn choose(
        &mut self,
        place: &Place<'_>,
        choice: &str,
        subject: Subject,
        route: Route,
    ) -> Result<usize, Halt> {
        if !matches!(subject, Subject::Decider(_)) {
            self.meet(&place.path)?;
        }
        self.meet(choice)?;
        self.journal.arm(choice, route).ok_or(Halt::Front)?.map_err(Halt::Mismatch)
    }

    fn ask(&mut self, place: &Place<'_>, _: &'static DeciderInfo) -> Result<bool, Halt> {
        self.meet(&place.path).map(|entry| entry.outcome == "true")
    }

    fn split(&mut self, branches: &[Branch<'_>], _: Option<u32>) -> Result<(), Halt> {
        let mut front = false;
        for branch in branches {
            match branch.walk(self) {
                // The others may have come further.
                Err(Halt::Front) => front = true,
                walked => walked?,
            }
        }
        if front { Err(Halt::Front) } else { Ok(()) }
    }

    fn stop(&mut self, path: &str, _: &'static str) -> Result<(), Halt> {
        self.meet(path).map(|_| ())
    }

    fn end(&mut self, _: &'static str) -> Halt {
        Halt::Front
    }

    fn fail(&mut self, _: &'static str) -> Halt {
        Halt::Front
    }
}

#[cfg(test)]
mod tests {
    use std::any::Any;

    use super::*;
    use crate::definition::{StepInfo, StepKind, StepOptions};
    use crate::graph::{Activity, Arm, Use};

    const fn step(name: &'static str) -> StepInfo {
        let options = StepOptions::DEFAULT;
        let run = |_: &crate::engine::StepRun<'_>| unreachable!("nothing is executed");
        StepInfo { id: name, name, doc: "", kind: StepKind::Tasklet, options, components: &[], run }
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
    static QUALITY: DeciderInfo = DeciderInfo {
        id: "quality",
        name: "quality",
        needs: &[],
        decide: |_| unreachable!("nothing is asked"),
    };

    static BODY: &[Node] = &[
        run(&LOAD),
        choice(&QUALITY, &[Arm { label: "Good", body: &[] }, Arm { label: "Bad", body: &[run(&CLEAN)] }]),
        Node::Loop(&[
            run(&PAGE),
            choice(
                &QUALITY,
                &[Arm { label: "More", body: &[] }, Arm { label: "Enough", body: &[Node::Break] }],
            ),
        ]),
        Node::Stop("look at it"),
    ];

    fn entries(passed: &[(&str, &str)]) -> Vec<JournalEntry> {
        passed
            .iter()
            .map(|(path, outcome)| JournalEntry {
                path: (*path).to_owned(),
                outcome: (*outcome).to_owned(),
                exit: None,
                output: None,
            })
            .collect()
    }

    #[test]
    fn a_body_holds_what_it_has_passed_up_to_any_place() {
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
            assert_eq!(holds(BODY, &entries(&passed[..length])), Ok(()), "{length}");
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
    fn a_split_holds_what_its_branches_have_passed_in_whatever_order() {
        let (one, two) = (
            [("match quality", "Good"), ("load", COMPLETED)],
            [("match quality#2", "Bad"), ("clean", COMPLETED)],
        );
        let orders = [[one[0], two[0], one[1], two[1]], [two[0], two[1], one[0], one[1]]];
        for mut passed in orders.map(Vec::from) {
            passed.extend([("match quality#3", "Enough"), ("page", COMPLETED)]);
            for length in 0..=passed.len() {
                assert_eq!(holds(SPLIT, &entries(&passed[..length])), Ok(()), "{:?}", &passed[..length]);
            }
        }
    }

    #[test]
    fn what_stands_behind_a_split_is_not_reached_before_all_branches_are() {
        let refused = holds(SPLIT, &entries(&[("match quality", "Good"), ("page", COMPLETED)])).unwrap_err();
        assert!(refused.contains("`page`"), "{refused}");
    }

    #[test]
    fn a_step_that_is_no_longer_reached_is_named() {
        let refused = holds(BODY, &entries(&[("load", COMPLETED), ("check", COMPLETED)])).unwrap_err();
        assert!(refused.contains("`check`"), "{refused}");
        let refused =
            holds(BODY, &entries(&[("load", COMPLETED), ("match quality", "Good"), ("clean", COMPLETED)]));
        assert!(refused.unwrap_err().contains("`clean`"));
    }

    #[test]
    fn an_arm_that_is_no_longer_there_is_named() {
        let refused = holds(BODY, &entries(&[("load", COMPLETED), ("match quality", "Ugly")])).unwrap_err();
        assert!(refused.contains("`match quality`") && refused.contains("`Ugly`"), "{refused}");
    }
}
