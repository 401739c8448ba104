//! The body of a `#[job]` as a constant tree: the engine walks it, the journal names places in it, and
//! drawings show it.

use std::any::Any;

use crate::definition::{Binding, DeciderInfo, FlowInfo, JobInfo, StepInfo};

use super::end_text::{Text, TextInfo};

/// One statement of a job's body.
#[derive(Debug)]
#[non_exhaustive]
pub enum Node {
    /// `load;`, `load(region = "eu") as load_eu;`
    Run(Use),
    /// `match quality { .. }`
    Match {
        /// The subject of the `match`.
        subject: Subject,
        /// How the subject is used.
        used: Use,
        /// The arms, in order.
        arms: &'static [Arm],
        /// Returns the index of the arm that takes the outcome, which has the subject's type.
        route: fn(Box<dyn Any>) -> usize,
    },
    /// `while more { .. }`, `while !done { .. }`
    While {
        /// The decider, which returns a `bool`.
        decider: &'static DeciderInfo,
        /// How the decider is used.
        used: Use,
        /// True if the loop runs while the decider returns `false`.
        negated: bool,
        /// The repeated nodes.
        body: &'static [Node],
    },
    /// `loop { .. }`
    Loop(&'static [Node]),
    /// `split! { a, { b; c } }`: the branches run concurrently on threads and are joined at the end.
    ///
    /// The job waits for all branches, even if one fails or reaches `fail!`, `end!` or `stop!`. That ends only the
    /// branch. After the join, the job ends with the worst outcome of its branches: failed is worse than stopped, and
    /// stopped is worse than ended. A failure that its branch handles by `match` does not count. A restart runs the
    /// incomplete branches; a branch that reached `stop!` continues after the `stop!`.
    Split {
        /// The branches, in order.
        branches: &'static [&'static [Node]],
        /// The maximum number of branches that run at once; `None` means all.
        max: Option<u32>,
    },
    /// `break`: out of the innermost loop.
    Break,
    /// `end!()`, `end!("CODE")`, `end!("CODE", "why")`: the job completes here, with that exit code.
    End(&'static str, Text),
    /// `fail!("why")`: the job fails here.
    Fail(Text),
    /// `stop!("why")`: the job stops here, and a restart continues after it.
    Stop(Text),
}

/// A name in a job's body.
#[derive(Debug, Clone, Copy)]
pub struct Use {
    /// The name in this job: the one after `as`, or that of the activity.
    pub name: &'static str,
    /// The named activity.
    pub activity: Activity,
    /// `(region = "eu")`.
    pub bindings: &'static [Binding],
}

/// Something that a job can run or ask.
#[derive(Debug, Clone, Copy)]
pub enum Activity {
    /// A step.
    Step(&'static StepInfo),
    /// A flow: its nodes count as if written in the job.
    Flow(&'static FlowInfo),
    /// Another job, run as a step.
    Job(&'static JobInfo),
    /// A decider. It occurs only where something is decided.
    Decider(&'static DeciderInfo),
    /// A text with values. It occurs only in `end!`, `fail!` and `stop!`.
    Text(&'static TextInfo),
}

impl Activity {
    /// The name of the annotated function.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Step(step) => step.name,
            Self::Flow(flow) => flow.name,
            Self::Job(job) => job.name,
            Self::Decider(decider) => decider.name,
            Self::Text(text) => text.word,
        }
    }

    /// The module and name, which distinguish two activities with the same name.
    #[must_use]
    pub const fn id(&self) -> &'static str {
        match self {
            Self::Step(step) => step.id,
            Self::Flow(flow) => flow.id,
            Self::Job(job) => job.id,
            Self::Decider(decider) => decider.id,
            Self::Text(text) => text.word,
        }
    }

    /// The noun for the activity in messages.
    #[must_use]
    pub const fn noun(&self) -> &'static str {
        match self {
            Self::Step(_) => "step",
            Self::Flow(_) => "flow",
            Self::Job(_) => "job",
            Self::Decider(_) => "decider",
            Self::Text(_) => "text of",
        }
    }
}

/// The subject of a `match`.
#[derive(Debug, Clone, Copy)]
pub enum Subject {
    /// A decider.
    Decider(&'static DeciderInfo),
    /// A step, matched by how it [`Ended`](crate::definition::Ended): its failure is handled.
    Ended(Activity),
    /// A tasklet, matched by the value that it returned.
    Value(&'static StepInfo),
}

impl Subject {
    /// The subject as an activity.
    #[must_use]
    pub const fn activity(self) -> Activity {
        match self {
            Self::Decider(decider) => Activity::Decider(decider),
            Self::Ended(activity) => activity,
            Self::Value(step) => Activity::Step(step),
        }
    }
}

/// One arm of a `match`.
#[derive(Debug)]
pub struct Arm {
    /// The pattern as the user wrote it. The journal records it.
    pub label: &'static str,
    /// The body of the arm.
    pub body: &'static [Node],
}
