//! Holds the outcomes that an instance has passed, and checks that a job's body still fits them.
//!
//! Entries are only ever appended to a journal. If a place has several entries, the last one counts. Two kinds of outcome
//! are not replayed:
//!
//! - A step that runs again routes again. If it leads to another arm, the entries of the old arm are taken back in the
//!   transaction that records the new arm.
//! - The outcome that led to a `fail!` is decided again. That needs no entry: a replay of the journal reaches the `fail!`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use crate::definition::DeciderInfo;
use crate::engine::flow::form::Form;
use crate::engine::flow::renames::{Renames, name_in};
use crate::engine::flow::steps::steps_by_name;
use crate::engine::flow::walk::{Around, Branch, Driver, Place, Region, Ways, walk};
use crate::engine::step::Route;
use crate::graph::{Activity, Node, Subject, Text};
use crate::repository::{JournalEntry, Renamed, SoFar, UnfinishedStep};

/// The outcomes that the journal records for places other than arms.
pub(crate) const COMPLETED: &str = "COMPLETED";
pub(crate) const FAILED: &str = "FAILED";
pub(crate) const STOPPED: &str = "STOPPED";
/// The outcome of a place that no longer counts as passed, because its arm was left.
const TAKEN_BACK: &str = "TAKEN BACK";
/// The outcome of a place that a restart with `--from` runs again from the beginning.
pub(super) use crate::repository::RUN_AGAIN;
/// The outcome of an incomplete step that a restart with `--from` and `--force` passes over.
pub(super) const PASSED_OVER: &str = "PASSED OVER";

/// What an instance has passed, by place.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    entries: BTreeMap<String, JournalEntry>,
    /// When each place was first passed.
    order: BTreeMap<String, usize>,
    /// How often the activity at a place completed, also in arms that were left, or was abandoned to run again.
    completions: BTreeMap<String, u32>,
    /// True if a `match` or `while` has had different outcomes.
    rerouted: bool,
    /// The names of the `match`es and `while`s that are decided again.
    again: BTreeSet<String>,
    /// The places that this execution took back.
    left: Mutex<BTreeSet<String>>,
}

impl Journal {
    pub(crate) fn new(entries: impl IntoIterator<Item = JournalEntry>) -> Self {
        let mut journal = Self::default();
        for (at, entry) in entries.into_iter().enumerate() {
            journal.add(at, entry);
        }
        journal
    }

    /// A journal for replay: the decision that led to a `fail!` of this body is open again.
    pub(crate) fn replayed(nodes: &'static [Node], entries: impl IntoIterator<Item = JournalEntry>) -> Self {
        let mut journal = Self::new(entries);
        let mut replay = Replay::of(&journal);
        // Only what the walk collects matters, not how it ends.
        let _ = walk(nodes, &mut replay);
        journal.again = replay.taken_back;
        journal
    }

    fn add(&mut self, at: usize, entry: JournalEntry) {
        if entry.outcome == RUN_AGAIN
            && self.entries.get(&entry.path).is_none_or(|before| before.outcome != COMPLETED)
        {
            // Count it as one that completed, so that a nested job runs again as another instance.
            *self.completions.entry(entry.path.clone()).or_insert(0) += 1;
        }
        if entry.outcome == TAKEN_BACK || entry.outcome == RUN_AGAIN {
            self.rerouted = true;
            self.order.remove(&entry.path);
            self.entries.remove(&entry.path);
            return;
        }
        if entry.exit.is_some() && entry.outcome == COMPLETED {
            *self.completions.entry(entry.path.clone()).or_insert(0) += 1;
        }
        self.order.entry(entry.path.clone()).or_insert(at);
        if let Some(before) = self.entries.get(&entry.path) {
            self.rerouted |= entry.exit.is_none() && before.outcome != entry.outcome;
        }
        self.entries.insert(entry.path.clone(), entry);
    }

    pub(crate) fn at(&self, path: &str) -> Option<&JournalEntry> {
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        self.entries.get(path).filter(|_| !left.contains(path))
    }

    /// Returns whether the outcome of a `match` or `while` is decided again.
    pub(crate) fn is_open(&self, choice: &str) -> bool {
        self.again.contains(choice)
    }

    pub(crate) fn completions(&self, path: &str) -> u32 {
        self.completions.get(path).copied().unwrap_or(0)
    }

    /// The entries that count, in the order in which their places were first passed.
    pub(crate) fn entries(&self) -> Vec<&JournalEntry> {
        let mut order: Vec<_> = self.order.iter().collect();
        order.sort_unstable_by_key(|(_, at)| **at);
        order.into_iter().filter_map(|(path, _)| self.entries.get(path)).collect()
    }

    /// Leaves a part of the body, so that none of its places counts as passed. Returns the entries that record this.
    pub(crate) fn leave(&self, part: &Region) -> Vec<JournalEntry> {
        let paths: Vec<_> = self.entries.keys().filter(|path| part.contains(path)).cloned().collect();
        let entries = paths.iter().map(|path| JournalEntry::at(path, TAKEN_BACK)).collect();
        self.left.lock().unwrap_or_else(PoisonError::into_inner).extend(paths);
        entries
    }

    /// The arm that was taken in a `match`.
    pub(crate) fn arm(&self, choice: &str, route: Route) -> Option<Result<usize, String>> {
        let label = &self.at(choice)?.outcome;
        let found = route.arm_named(label);
        Some(found.ok_or_else(|| format!("`{choice}` took the arm `{label}`, which is no longer there")))
    }
}

/// Checks that the body still fits what an instance has done. Returns the steps that have another name in it. `passed`
/// holds the places that a replay has passed before it began.
///
/// # Errors
/// The first place that was passed and is no longer reached, or the first step that was begun and that the body cannot
/// continue.
pub(crate) fn holds(
    nodes: &'static [Node],
    passed: &[JournalEntry],
    so_far: &SoFar<'_>,
) -> Result<Vec<Renamed>, String> {
    let renames = Renames::of(nodes);
    let recorded = so_far.journal.iter().map(|entry| entry.path.as_str());
    let needed = renames.needed(recorded.chain(so_far.unfinished.iter().map(|step| step.step.as_str())))?;
    let entries = passed
        .iter()
        .chain(so_far.journal)
        .map(|entry| renames.entry(entry))
        .collect::<Result<Vec<_>, _>>()?;
    let journal = Journal::new(entries.iter().cloned());
    let mut replay = Replay::of(&journal);
    if let Err(Halt::Mismatch(what)) = walk(nodes, &mut replay) {
        return Err(what);
    }
    // Once an outcome has changed, places that were passed after it may be ahead of where the job continues.
    let ahead = journal.rerouted.then(|| Region::all(nodes));
    let is_ahead = |path: &str| ahead.as_ref().is_some_and(|ahead| ahead.contains(path));
    let mut entries = journal.entries().into_iter();
    if let Some(entry) = entries.find(|entry| !replay.met.contains(&entry.path) && !is_ahead(&entry.path)) {
        return Err(format!(
            "it has passed `{}` ({}), which the job no longer reaches",
            entry.path, entry.outcome
        ));
    }
    let steps = steps_by_name(nodes);
    for step in so_far.unfinished {
        let path = renames.path(&step.step)?;
        let known = steps.get(name_in(&path)).copied();
        let is_known = match journal.at(&path) {
            Some(entry) if entry.outcome == FAILED => replay.failed.contains(&path),
            Some(_) => known.is_some_and(|step| step.options.allow_start_if_complete),
            None => is_ahead(&path),
        };
        let activity = match (is_known, known) {
            (true, Some(known)) => Some(Activity::Step(known)),
            // A nested job checks its own journal.
            (true, None) => continue,
            // It was passed and does not run again, so nothing continues from its checkpoint.
            (false, _) if journal.at(&path).is_some() => continue,
            (false, _) => replay.fronts.get(&path).copied(),
        };
        goes_on(nodes, step, activity, &replay.fronts)?;
    }
    Ok(needed)
}

/// Fails if the body does not continue a step that was begun, or if the step now has another form.
fn goes_on(
    nodes: &'static [Node],
    step: &UnfinishedStep,
    activity: Option<Activity>,
    fronts: &BTreeMap<String, Activity>,
) -> Result<(), String> {
    let was = step.form.as_deref().map(Form::parse);
    let elsewhere = was.as_ref().is_some_and(|was| was.as_ref().is_none_or(Form::commits_elsewhere));
    if !step.has_committed && !elsewhere {
        return Ok(());
    }
    let done = match (step.commits, step.written) {
        (0, _) => "was begun".to_owned(),
        (1, written) => format!("has committed one chunk with {written} items"),
        (commits, written) => format!("has committed {commits} chunks with {written} items"),
    };
    let name = &step.step;
    let Some(activity) = activity else {
        return Err(if steps_by_name(nodes).contains_key(name_in(name)) {
            format!("step `{name}` {done}, but the job now reaches it by another path")
        } else {
            let hint = heirs(nodes, name, fronts);
            format!("step `{name}` {done}, but the job no longer has a step of that name{hint}")
        });
    };
    match (was, Form::of(activity)) {
        (Some(None), _) => Err(format!(
            "step `{name}` {done}, but it was begun by a version of the framework that records steps differently"
        )),
        (Some(Some(was)), Some(now)) => match was.differs(&now) {
            Some(differs) => Err(format!("step `{name}` {done}; it {differs}")),
            None => Ok(()),
        },
        (None, _) | (_, None) => Ok(()),
    }
}

/// A hint for the case that one of the next steps is the missing one under a new name.
fn heirs(nodes: &'static [Node], gone: &str, fronts: &BTreeMap<String, Activity>) -> String {
    let steps = steps_by_name(nodes);
    let next: Vec<_> =
        fronts.keys().map(|path| name_in(path)).filter(|name| steps.contains_key(name)).collect();
    if next.is_empty() {
        return String::new();
    }
    let gone = name_in(gone);
    format!(
        "; if `{}` is its new name, write `#[step(renamed_from = \"{gone}\")]` there, or name it `{gone}` again",
        next.join("` or `")
    )
}

struct Replay<'j> {
    journal: &'j Journal,
    met: BTreeSet<String>,
    /// The incomplete steps and nested jobs that the walk reached: those that are executed next.
    fronts: BTreeMap<String, Activity>,
    taken_back: BTreeSet<String>,
    /// The steps whose failure led to a `fail!`.
    failed: BTreeSet<String>,
}

enum Halt {
    /// After the last entry, or at the job's end.
    Front,
    Mismatch(String),
}

impl<'j> Replay<'j> {
    fn of(journal: &'j Journal) -> Self {
        Self {
            journal,
            met: BTreeSet::new(),
            fronts: BTreeMap::new(),
            taken_back: BTreeSet::new(),
            failed: BTreeSet::new(),
        }
    }

    fn meet(&mut self, path: &str) -> Result<&'j JournalEntry, Halt> {
        let entry = self.journal.at(path).ok_or(Halt::Front)?;
        self.met.insert(path.to_owned());
        Ok(entry)
    }

    /// Passes a step or nested job.
    fn pass(&mut self, place: &Place<'_>) -> Result<(), Halt> {
        if self.journal.at(&place.path).is_none() {
            self.fronts.insert(place.path.clone(), place.used.activity);
        }
        self.meet(&place.path).map(|_| ())
    }
}

impl Driver for Replay<'_> {
    type Halt = Halt;

    fn run(&mut self, place: &Place<'_>) -> Result<(), Halt> {
        self.pass(place)
    }

    fn choose(
        &mut self,
        place: &Place<'_>,
        choice: &str,
        subject: Subject,
        ways: &Ways<'_>,
    ) -> Result<usize, Halt> {
        if !matches!(subject, Subject::Decider(_)) {
            self.pass(place)?;
            if self.journal.at(choice).is_none() {
                return Err(Halt::Mismatch(format!(
                    "it has passed `{}`, which was not the subject of a `match`, as it is now",
                    place.path
                )));
            }
        }
        self.meet(choice)?;
        self.journal.arm(choice, ways.route).ok_or(Halt::Front)?.map_err(Halt::Mismatch)
    }

    fn ask(
        &mut self,
        place: &Place<'_>,
        _: &'static DeciderInfo,
        _: bool,
        _: &dyn Fn() -> Region,
    ) -> Result<bool, Halt> {
        self.meet(&place.path).map(|entry| entry.outcome == "true")
    }

    fn split(&mut self, branches: &[Branch<'_>], _: Option<u32>) -> Result<(), Halt> {
        let mut front = false;
        for branch in branches {
            match branch.walk(self) {
                // The other branches may reach further.
                Err(Halt::Front) => front = true,
                walked => walked?,
            }
        }
        if front { Err(Halt::Front) } else { Ok(()) }
    }

    fn stop(&mut self, path: &str, _: &Text) -> Result<(), Halt> {
        self.meet(path).map(|_| ())
    }

    fn end(&mut self, _: &'static str, _: &Text) -> Halt {
        Halt::Front
    }

    fn fail(&mut self, _: &Text, around: &[Around]) -> Halt {
        // A completed step has nothing left to do, so its outcome is final; the decision around it is made again.
        for around in around.iter().rev() {
            let led = match around {
                Around::While { path } => path,
                Around::Match { choice, place, subject: Subject::Ended(_) } => {
                    if self.journal.at(place).is_none_or(|entry| entry.outcome == COMPLETED) {
                        continue;
                    }
                    self.failed.insert(place.clone());
                    choice
                }
                Around::Match { choice, .. } => choice,
            };
            self.taken_back.insert(led.clone());
            break;
        }
        Halt::Front
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests {
    use std::any::Any;

    use super::*;
    use crate::definition::{StepInfo, StepKind, StepOptions};
    use crate::graph::{Activity, Arm, Use};

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
        Node::Stop(Text::plain("look at it")),
    ];

    fn entries(passed: &[(&str, &str)]) -> Vec<JournalEntry> {
        passed.iter().map(|(path, outcome)| JournalEntry::at(path, outcome)).collect()
    }

    fn passes(nodes: &'static [Node], journal: &[JournalEntry]) -> Result<(), String> {
        holds(nodes, &[], &SoFar { journal, unfinished: &[], graph: "" })
            .map(|renamed| assert_eq!(renamed, []))
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
    fn a_split_holds_what_its_branches_have_passed_in_whatever_order() {
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
    fn a_step_that_is_no_longer_reached_is_named() {
        let refused = passes(BODY, &entries(&[("load", COMPLETED), ("check", COMPLETED)])).unwrap_err();
        assert!(refused.contains("`check`"), "{refused}");
        let refused =
            passes(BODY, &entries(&[("load", COMPLETED), ("match quality", "Good"), ("clean", COMPLETED)]));
        assert!(refused.unwrap_err().contains("`clean`"));
    }

    #[test]
    fn an_arm_that_is_no_longer_there_is_named() {
        let refused = passes(BODY, &entries(&[("load", COMPLETED), ("match quality", "Ugly")])).unwrap_err();
        assert!(refused.contains("`match quality`") && refused.contains("`Ugly`"), "{refused}");
    }
}
