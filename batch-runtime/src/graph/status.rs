//! The state of an execution, as its drawing shows it: the state of each step, and the paths that were taken.

use std::collections::{BTreeMap, BTreeSet};

use super::Use;
use super::words::title;
use crate::definition::{ExecutionId, StepExecutionId};
use crate::engine::flow::journal::Journal;
use crate::observe::StepProgress;
use crate::observe::words::count;
use crate::repository::{BatchStatus, Counters, JournalEntry, RunningStep, StepExecution};

/// The progress of an execution, by place.
#[derive(Debug, Default)]
pub(crate) struct ExecutionProgress {
    steps: BTreeMap<String, StepStatus>,
    /// The outcomes that each place had, in any iteration.
    outcomes: BTreeMap<String, BTreeSet<String>>,
    is_complete: bool,
}

/// The state of a step, over all its iterations.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct StepStatus {
    state: State,
    counters: Counters,
    /// The number of iterations.
    times: usize,
    /// The progress in percent, while the step runs.
    percent: Option<u64>,
    /// True if the step ran in an earlier execution of the instance, and not in this one.
    was_before: bool,
    /// The step execution that has this state, the last one if there are several.
    shown: Option<(ExecutionId, StepExecutionId)>,
}

/// The state of a step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    #[default]
    NotReached,
    Ok,
    /// Complete, but it skipped items.
    Skipped,
    Stopped,
    Running,
    Failed,
}

impl State {
    /// All states.
    pub(crate) const ALL: [Self; 6] =
        [Self::NotReached, Self::Ok, Self::Skipped, Self::Stopped, Self::Running, Self::Failed];

    /// The colour of the state on a light page.
    pub(crate) const fn colour(self) -> &'static str {
        match self {
            Self::NotReached => "#818b98",
            Self::Ok => "#1a7f37",
            Self::Skipped => "#9a6700",
            Self::Stopped => "#6639ba",
            Self::Running => "#0969da",
            Self::Failed => "#cf222e",
        }
    }

    /// The colour of the state on a dark page.
    pub(crate) const fn dark_colour(self) -> &'static str {
        match self {
            Self::NotReached => "#6e7681",
            Self::Ok => "#3fb950",
            Self::Skipped => "#d29922",
            Self::Stopped => "#ab7df8",
            Self::Running => "#4493f8",
            Self::Failed => "#f85149",
        }
    }

    /// The name of its class in a style sheet.
    pub(crate) const fn class(self) -> &'static str {
        match self {
            Self::NotReached => "idle",
            Self::Ok => "ok",
            Self::Skipped => "skipped",
            Self::Stopped => "stopped",
            Self::Running => "running",
            Self::Failed => "failed",
        }
    }
}

/// A state in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) state: State,
    /// The words after the sign.
    words: String,
    /// The step execution that has this state; `None` if the step was not reached.
    pub(super) step: Option<(ExecutionId, StepExecutionId)>,
}

impl Status {
    /// Returns the sign and the words: `✓ ok`.
    pub(crate) fn line(&self) -> String {
        let sign = match self.state {
            State::NotReached => '○',
            State::Ok => '✓',
            State::Skipped => '!',
            State::Stopped => '■',
            State::Running => '▶',
            State::Failed => '✗',
        };
        format!("{sign} {}", self.words)
    }
}

impl StepStatus {
    /// The state of the step as a card shows it.
    pub(crate) fn status(&self) -> Status {
        let words = match self.state {
            State::NotReached => "not reached".to_owned(),
            State::Ok if self.was_before => "ok, in an earlier execution".to_owned(),
            State::Ok => "ok".to_owned(),
            State::Skipped => format!("ok, {} skipped", count(self.counters.skips())),
            State::Stopped => "stopped".to_owned(),
            State::Running => match self.percent {
                Some(percent) => format!("running, {percent} %"),
                None => "running".to_owned(),
            },
            State::Failed => "failed".to_owned(),
        };
        Status { state: self.state, words, step: self.shown }
    }

    /// The counters of the step in words, if it has read or written anything.
    pub(crate) fn counted(&self) -> Option<String> {
        let Counters { read, filter, write, .. } = self.counters;
        let counts = [(read, "read"), (filter, "filtered"), (write, "written")];
        let counts: Vec<String> = counts
            .into_iter()
            .filter(|(items, _)| *items > 0)
            .map(|(items, what)| format!("{} {what}", count(items)))
            .collect();
        (!counts.is_empty()).then(|| counts.join("  "))
    }
}

impl ExecutionProgress {
    /// Collects what the executions of an instance have done, up to the one that ran `steps`.
    pub(crate) fn of<'s>(
        status: BatchStatus,
        is_alive: bool,
        earlier: impl IntoIterator<Item = &'s StepExecution>,
        steps: impl IntoIterator<Item = &'s StepExecution>,
        running: &[RunningStep],
        journal: impl IntoIterator<Item = JournalEntry>,
    ) -> Self {
        let mut seen = Self { is_complete: status == BatchStatus::Completed, ..Self::default() };
        let mut last: BTreeMap<&str, (StepStatus, bool)> = BTreeMap::new();
        let executions = earlier.into_iter().map(|step| (step, true));
        for (step, before) in executions.chain(steps.into_iter().map(|step| (step, false))) {
            let counters = last.get(step.name.as_str()).map(|(known, _)| known.counters).unwrap_or_default();
            let percent = running.iter().find(|running| running.id == step.id);
            let percent = percent.and_then(|running| StepProgress::from(running).percent());
            let seen = StepStatus { percent, ..StepStatus::of(step, counters, before, is_alive) };
            last.insert(&step.name, (seen, before));
        }
        for (path, (one, before)) in &last {
            let step = seen
                .steps
                .entry(name_of(path).to_owned())
                .or_insert(StepStatus { was_before: *before, ..StepStatus::default() });
            step.add(*one);
        }
        // `entries` leaves out the entries of arms that a later decision has left.
        for entry in Journal::new(journal).entries() {
            // A later execution of the instance may have gone further than this one.
            let is_step = entry.exit.is_some();
            if is_step && !last.contains_key(entry.path.as_str()) {
                continue;
            }
            let name = name_of(&entry.path).to_owned();
            seen.outcomes.entry(name).or_default().insert(entry.outcome.clone());
        }
        seen
    }

    pub(crate) const fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// The lines of a step and its state.
    pub(super) fn of_step(&self, used: &Use) -> (Vec<String>, Option<Status>) {
        let step = self.steps.get(used.name).copied().unwrap_or_default();
        let title = match step.times {
            0 | 1 => title(used),
            times => format!("{} × {times}", title(used)),
        };
        ([title].into_iter().chain(step.counted()).collect(), Some(step.status()))
    }

    /// Returns whether the execution, or an earlier one of its instance, has begun that step.
    pub(super) fn has_begun(&self, name: &str) -> bool {
        self.steps.contains_key(name)
    }

    /// Returns whether the execution went on after that place.
    pub(crate) fn has_passed(&self, place: &str) -> bool {
        self.outcomes.contains_key(place)
    }

    /// Returns whether the decision at that place had that outcome.
    pub(crate) fn has_taken(&self, choice: &str, outcome: &str) -> bool {
        self.outcomes.get(choice).is_some_and(|outcomes| outcomes.contains(outcome))
    }
}

impl StepStatus {
    fn of(step: &StepExecution, before: Counters, was_before: bool, is_alive: bool) -> Self {
        let mut counters = before;
        counters += step.counters;
        let state = match step.status {
            BatchStatus::Completed if counters.skips() > 0 => State::Skipped,
            BatchStatus::Completed => State::Ok,
            BatchStatus::Stopped => State::Stopped,
            BatchStatus::Starting | BatchStatus::Started | BatchStatus::Stopping
                if is_alive && !was_before =>
            {
                State::Running
            }
            _ => State::Failed,
        };
        let shown = Some((step.execution, step.id));
        Self { state, counters, times: 1, percent: None, was_before, shown }
    }

    fn add(&mut self, one: Self) {
        (self.state, self.shown) = (self.state, self.shown).max((one.state, one.shown));
        self.counters += one.counters;
        self.times += 1;
        self.percent = self.percent.or(one.percent);
        self.was_before &= one.was_before;
    }
}

/// The name of a place without its iterations: `page` for `page[3]`.
fn name_of(path: &str) -> &str {
    path.split_once('[').map_or(path, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::{DeciderInfo, ExecutionId, JobInfo, JobOptions, StepExecutionId, StepInfo};
    use crate::definition::{StepKind, StepOptions};
    use crate::graph::{Activity, Arm, GraphFormat, Node, Subject, Text, Use, render_progress};
    use crate::repository::{ExitStatus, Reached};

    const STEP: StepInfo = StepInfo {
        id: "page",
        name: "page",
        doc: "",
        kind: StepKind::Tasklet,
        options: StepOptions::DEFAULT,
        components: &[],
        kinds: None,
        run: |_| unreachable!("nothing runs"),
    };
    const DECIDER: DeciderInfo =
        DeciderInfo { id: "good", name: "good", needs: &[], decide: |_| Ok(Box::new(true)) };
    const GOOD: Use = Use { name: "good", activity: Activity::Decider(&DECIDER), bindings: &[] };
    const PAGE: Node = Node::Run(Use { name: "page", activity: Activity::Step(&STEP), bindings: &[] });
    const JOB: JobInfo = JobInfo {
        id: "job",
        name: "job",
        doc: "",
        parameters: &[],
        flow: &[
            Node::While { decider: &DECIDER, used: GOOD, negated: false, body: &[PAGE] },
            Node::Match {
                subject: Subject::Decider(&DECIDER),
                used: GOOD,
                arms: &[
                    Arm { label: "true", body: &[] },
                    Arm { label: "false", body: &[Node::Fail(Text::plain("it is bad"))] },
                ],
                route: |_| 0,
            },
        ],
        options: JobOptions::DEFAULT,
    };

    fn step(name: &str, status: BatchStatus, read: u64) -> StepExecution {
        let now = jiff::Timestamp::UNIX_EPOCH;
        StepExecution {
            id: StepExecutionId(1),
            name: name.to_owned(),
            execution: ExecutionId(1),
            status,
            exit: ExitStatus::code("COMPLETED"),
            created: now,
            started: None,
            ended: None,
            updated: now,
            counters: Counters { read, ..Counters::default() },
            profile: None,
            context: BTreeMap::new(),
        }
    }

    fn passed(path: &str) -> JournalEntry {
        JournalEntry { exit: Some(ExitStatus::code("COMPLETED")), ..JournalEntry::at(path, "COMPLETED") }
    }

    fn drawn(status: BatchStatus, steps: &[StepExecution], journal: Vec<JournalEntry>) -> String {
        let seen = ExecutionProgress::of(status, true, [], steps, &[], journal);
        render_progress(&JOB, GraphFormat::Text, &seen, "")
    }

    #[test]
    fn mermaid_and_graphviz_show_the_state_of_a_step_in_words_and_colour() {
        let steps = [step("page[1]", BatchStatus::Failed, 4)];
        let seen = ExecutionProgress::of(BatchStatus::Failed, false, [], &steps, &[], []);
        let mermaid = render_progress(&JOB, GraphFormat::Mermaid, &seen, "");
        assert!(mermaid.contains("[\"page<br/>4 read<br/>✗ failed\"]:::failed\n"), "{mermaid}");
        assert!(mermaid.contains("  classDef failed stroke:#cf222e,color:#cf222e\n"), "{mermaid}");
        let dot = render_progress(&JOB, GraphFormat::Dot, &seen, "");
        let shown =
            "[shape=box, color=\"#cf222e\", fontcolor=\"#cf222e\", label=\"page\\n4 read\\n✗ failed\"]";
        assert!(dot.contains(shown), "{dot}");
    }

    #[test]
    fn the_path_taken_is_heavy_and_a_step_in_a_loop_is_counted() {
        let steps = [1, 2, 3].map(|at| step(&format!("page[{at}]"), BatchStatus::Completed, 10));
        let again =
            |at| [JournalEntry::at(&format!("while good[{at}]"), "true"), passed(&format!("page[{at}]"))];
        let ends = [JournalEntry::at("while good[4]", "false"), JournalEntry::at("match good", "true")];
        let journal = [1, 2, 3].into_iter().flat_map(again).chain(ends).collect();
        let drawn = drawn(BatchStatus::Completed, &steps, journal);
        for shown in ["page × 3", "30 read", "✓ ok", "┃", "▽"] {
            assert!(drawn.contains(shown), "{shown}: {drawn}");
        }
    }

    #[cfg(feature = "serve")]
    #[test]
    fn a_step_in_a_loop_links_to_the_last_step_execution_whose_state_it_shows() {
        use BatchStatus::{Completed, Failed};

        let drawn = |statuses: [BatchStatus; 3]| {
            let numbered = statuses.into_iter().zip(1..);
            let steps: Vec<_> = numbered
                .map(|(status, at)| StepExecution {
                    id: StepExecutionId(at),
                    ..step(&format!("page[{at}]"), status, 10)
                })
                .collect();
            let seen = ExecutionProgress::of(Failed, false, [], &steps, &[], []);
            crate::graph::render_linked(&JOB, &seen, "", |execution, step| format!("/{execution}#{step}"))
        };
        assert!(drawn([Completed, Failed, Completed]).contains(" href=\"/1#2\""));
        let complete = drawn([Completed; 3]);
        assert!(complete.contains("<a id=\"graph-step-3\" href=\"/1#3\">"), "{complete}");
        assert_eq!(complete.matches("<a ").count(), 1, "{complete}");
    }

    #[test]
    fn a_running_step_shows_its_progress() {
        let steps = [step("page[1]", BatchStatus::Started, 4)];
        let now = jiff::Timestamp::UNIX_EPOCH;
        let running = RunningStep {
            execution: ExecutionId(1),
            id: StepExecutionId(1),
            name: "page[1]".to_owned(),
            started: now,
            updated: now,
            counters: Counters::default(),
            read_before: 0,
            reached: Some((Reached { before: 0, done: 2, total: 5 }, now)),
            partitions: None,
        };
        let seen = ExecutionProgress::of(BatchStatus::Started, true, [], &steps, &[running], []);
        let drawn = render_progress(&JOB, GraphFormat::Text, &seen, "");
        assert!(drawn.contains("▶ running, 40 %"), "{drawn}");
    }

    #[test]
    fn a_running_step_has_led_nowhere_yet() {
        let steps = [step("page[1]", BatchStatus::Started, 4)];
        let journal = vec![JournalEntry::at("while good[1]", "true")];
        let drawn = drawn(BatchStatus::Started, &steps, journal);
        assert!(drawn.contains("▶ running"), "{drawn}");
        assert!(drawn.contains("▽"), "{drawn}");
    }
}
