//! Receives: the body of a `#[job]`. Gives: it as a constant tree, which the engine walks, the journal names
//! places in, and the pictures are drawn from.

use std::any::Any;

use crate::definition::{Binding, DeciderInfo, FlowInfo, JobInfo, StepInfo};

use super::telling::{Text, TextInfo};

/// One statement of a job's body.
#[derive(Debug)]
#[non_exhaustive]
pub enum Node {
    /// `load;`, `load(region = "eu") as load_eu;`
    Run(Use),
    /// `match quality { .. }`
    Match {
        /// What is matched on.
        subject: Subject,
        /// How the subject is used.
        used: Use,
        /// The arms, in order.
        arms: &'static [Arm],
        /// Which arm takes the outcome, which is of the subject's type.
        route: fn(Box<dyn Any>) -> usize,
    },
    /// `while more { .. }`, `while !done { .. }`
    While {
        /// Decides, as a `bool`.
        decider: &'static DeciderInfo,
        /// How it is used.
        used: Use,
        /// Go on while it says `false`.
        negated: bool,
        /// What is repeated.
        body: &'static [Node],
    },
    /// `loop { .. }`
    Loop(&'static [Node]),
    /// `split! { a, { b; c } }`: side by side on threads, joined before what follows.
    ///
    /// All branches are awaited, also where one fails or says `fail!`, `end!` or `stop!`: that ends the branch, and the job
    /// behind the join, with the worst of them: failed before stopped before ended. A failure that its branch handles by
    /// `match` is none. A restart runs what is not complete; behind a `stop!` it goes on in that branch.
    Split {
        /// The branches, in order.
        branches: &'static [&'static [Node]],
        /// How many run at once; all, where it is not said.
        max: Option<u32>,
    },
    /// `break`: out of the innermost loop.
    Break,
    /// `end!()`, `end!("CODE")`, `end!("CODE", "why")`: the job completes here, with that exit code.
    End(&'static str, Text),
    /// `fail!("why")`: the job fails here.
    Fail(Text),
    /// `stop!("why")`: the job stops here, and a restart goes on behind it.
    Stop(Text),
}

/// A name in a job's body.
#[derive(Debug, Clone, Copy)]
pub struct Use {
    /// The name it has in this job: behind `as`, or its own.
    pub name: &'static str,
    /// What it names.
    pub activity: Activity,
    /// `(region = "eu")`.
    pub bindings: &'static [Binding],
}

/// What a job can run, or ask.
#[derive(Debug, Clone, Copy)]
pub enum Activity {
    /// A step.
    Step(&'static StepInfo),
    /// A flow: its nodes stand in the job as if written there.
    Flow(&'static FlowInfo),
    /// Another job, run as a step.
    Job(&'static JobInfo),
    /// A decider; only where something is decided.
    Decider(&'static DeciderInfo),
    /// A text with values in it; only where the job ends by it.
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

    /// The module and name: what tells two of one name apart.
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

    /// What it is, in the user's word.
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

/// What a `match` is on.
#[derive(Debug, Clone, Copy)]
pub enum Subject {
    /// A decider.
    Decider(&'static DeciderInfo),
    /// A step by how it ended, [`Ended`](crate::definition::Ended): its failure is handled.
    Ended(Activity),
    /// A tasklet by the value it returned.
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
    /// Its pattern as the user wrote it: what the journal records.
    pub label: &'static str,
    /// Its body.
    pub body: &'static [Node],
}
