//! Receives: the marker behind a name in a job's body. Gives: what it is, or a message that says what it is not.
//!
//! A marker that is no step must not make the job's constants fail, or it would hide the job's other mistakes. So what a
//! marker implements is asked by [`Probe`]: an inherent constant where it implements the trait, else the constant of the
//! same name of a trait that everything implements.

use std::marker::PhantomData;

use super::message::Message;
use crate::definition::{
    DeciderInfo, Decides, JobDefinition, JobInfo, JobOptions, ReaderDefinition, ResourceDefinition, Runs, StepInfo,
    StepKind, StepOptions,
};
use crate::graph::{Activity, Subject};

/// Asks what `T` implements.
#[derive(Debug)]
pub struct Probe<T: ?Sized>(PhantomData<T>);

impl<T: Runs> Probe<T> {
    /// What a job runs by the name.
    pub const RUNS: Option<Activity> = Some(T::ACTIVITY);
}

impl<T: Decides> Probe<T> {
    /// What a job matches on by the name.
    pub const DECIDES: Option<Subject> = Some(T::SUBJECT);
}

impl<T: JobDefinition> Probe<T> {
    /// The job of the name.
    pub const JOB: Option<&'static JobInfo> = Some(T::INFO);
}

impl<T: ReaderDefinition> Probe<T> {
    /// Is it a reader?
    pub const READS: bool = true;
}

impl<T: ResourceDefinition> Probe<T> {
    /// Is it a resource?
    pub const SHARED: bool = true;
}

/// The answers for what implements nothing.
pub trait Nothing {
    /// Runs nothing.
    const RUNS: Option<Activity> = None;
    /// Decides nothing.
    const DECIDES: Option<Subject> = None;
    /// Is no job.
    const JOB: Option<&'static JobInfo> = None;
    /// Reads nothing.
    const READS: bool = false;
    /// Is no resource.
    const SHARED: bool = false;
}

impl<T: ?Sized> Nothing for Probe<T> {}

/// What stands for a name that is no step, so that the rest of the job can be checked.
const UNKNOWN: Activity = Activity::Step(&StepInfo {
    id: "",
    name: "",
    doc: "",
    kind: StepKind::Tasklet,
    options: StepOptions::DEFAULT,
    components: &[],
    run: |_| unreachable!("a program with an unknown step does not compile"),
});

const NO_DECIDER: DeciderInfo = DeciderInfo {
    id: "",
    name: "",
    needs: &[],
    decide: |_| unreachable!("a program with an unknown decider does not compile"),
};

const NO_JOB: JobInfo =
    JobInfo { id: "", name: "", doc: "", parameters: &[], flow: &[], options: JobOptions::DEFAULT };

/// Is it what stands for an unknown name?
#[must_use]
pub const fn is_unknown(activity: &Activity) -> bool {
    activity.id().is_empty()
}

/// What is run, or a stand-in.
#[must_use]
pub const fn run_or_unknown(runs: Option<Activity>) -> Activity {
    match runs {
        Some(activity) => activity,
        None => UNKNOWN,
    }
}

/// What is matched on, or a stand-in.
#[must_use]
pub const fn subject_or_unknown(decides: Option<Subject>) -> Subject {
    match decides {
        Some(subject) => subject,
        None => Subject::Ended(UNKNOWN),
    }
}

/// The decider of a loop, or a stand-in.
#[must_use]
pub const fn decider_or_unknown(decides: Option<Subject>) -> &'static DeciderInfo {
    match decides {
        Some(Subject::Decider(decider)) => decider,
        _ => &NO_DECIDER,
    }
}

/// The job, or a stand-in.
#[must_use]
pub const fn job_or_unknown(job: Option<&'static JobInfo>) -> &'static JobInfo {
    match job {
        Some(job) => job,
        None => &NO_JOB,
    }
}

/// Why a name cannot stand in a job's body as a statement.
#[must_use]
pub const fn why_not_run(
    name: &str,
    runs: Option<Activity>,
    decides: Option<Subject>,
    reads: bool,
    shared: bool,
) -> Option<Message> {
    if runs.is_some() {
        return None;
    }
    let message = Message::new().code(name);
    Some(if decides.is_some() {
        message.text(" is a decider: it does no work but chooses what comes next; write `match ").text(name).text(" { .. }`")
    } else if reads {
        message.text(" is a reader, and a job runs steps; write a step that reads with it, `#[step(chunk = 100)] fn load() { ")
            .text(name)
            .text(" | .. }`, and name that")
    } else if shared {
        message.text(" is a resource, and a job runs steps; components ask for it by an argument `").text(name).text(": &..`")
    } else {
        message.text(" is not a step; a job runs what has `#[step]`, `#[flow]` or `#[job]` on it")
    })
}

/// Why a loop cannot ask what stands behind `while`.
#[must_use]
pub const fn why_not_asked(name: &str, decides: Option<Subject>) -> Option<Message> {
    match decides {
        None | Some(Subject::Decider(_)) => None,
        Some(_) => Some(
            Message::of("`while` asks a decider, and ")
                .code(name)
                .text(" is a step; put `#[decider]` on a function that returns `bool`, or write `loop { match ")
                .text(name)
                .text(" { .. => break, .. } }`"),
        ),
    }
}

/// Why a name cannot be given to `main!`.
#[must_use]
pub const fn why_no_job(name: &str, job: Option<&'static JobInfo>, runs: Option<Activity>) -> Option<Message> {
    let message = Message::new().code(name);
    match (job, runs) {
        (Some(_), _) => None,
        (None, Some(Activity::Flow(_))) => {
            Some(message.text(" is a flow, which runs only as a part of a job; name the job"))
        }
        (None, Some(_)) => Some(
            message
                .text(" is a step, and `main!` starts jobs; put it into one, `#[job] fn daily() { ")
                .text(name)
                .text("; }`, and name that"),
        ),
        (None, None) => Some(message.text(" is not a job; put `#[job]` on the function of this name")),
    }
}

/// `bool`, which alone a loop can ask for.
#[diagnostic::on_unimplemented(
    message = "`while` asks for yes or no, and this decider returns `{Self}`",
    label = "returns `{Self}`",
    note = "let the decider return `bool`, or write `loop {{ match decider {{ .. => break, .. }} }}`"
)]
pub trait YesOrNo {}

impl YesOrNo for bool {}

/// Asks that `T` is `bool`.
pub const fn yes_or_no<T: YesOrNo>() {}
