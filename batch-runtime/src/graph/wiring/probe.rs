//! Receives: the marker behind a name in a job's body. Gives: what it is, or a message that says what it is not.
//!
//! A marker that is no step must not make the job's constants fail, or it would hide the job's other mistakes. So what a
//! marker implements is asked by [`Probe`]: an inherent constant where it implements the trait, else the constant of the
//! same name of a trait that everything implements.

use std::marker::PhantomData;

use super::message::{Message, same};
use crate::definition::{
    DeciderInfo, Decides, JobDefinition, JobInfo, JobOptions, Marked, ProcessorDefinition, Runs, StepInfo,
    StepKind, StepOptions, WriterDefinition,
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

impl<T: Decides<Outcome = bool>> Probe<T> {
    /// Does it decide between yes and no?
    pub const YES_OR_NO: bool = true;
}

impl<T: Marked> Probe<T> {
    /// What messages call the function of the name.
    pub const NOUN: &'static str = T::NOUN;
}

/// The answers for what implements nothing.
pub trait Nothing {
    /// Runs nothing.
    const RUNS: Option<Activity> = None;
    /// Decides nothing.
    const DECIDES: Option<Subject> = None;
    /// Decides nothing.
    const YES_OR_NO: bool = false;
    /// Is no job.
    const JOB: Option<&'static JobInfo> = None;
    /// Has no attribute.
    const NOUN: &'static str = "";
}

impl<T: ?Sized> Nothing for Probe<T> {}

/// Asks whether the component `C` takes an `Item`, or what is in one.
#[derive(Debug)]
pub struct Offered<Item, C: ?Sized>(PhantomData<Item>, PhantomData<C>);

impl<Item, C: ProcessorDefinition<Item>> Offered<Item, C> {
    /// A processor of it.
    pub const PROCESSES: bool = true;
}

impl<Item, C: ProcessorDefinition<Item>> Offered<Vec<Item>, C> {
    /// A processor of what is in it.
    pub const PROCESSES_EACH: bool = true;
}

impl<Item, C: WriterDefinition<Item>> Offered<Item, C> {
    /// A writer of it.
    pub const WRITES: bool = true;
}

impl<Item, C: WriterDefinition<Item>> Offered<Vec<Item>, C> {
    /// A writer of what is in it.
    pub const WRITES_EACH: bool = true;
}

/// The answers for what takes neither.
pub trait NotOffered {
    /// Processes none.
    const PROCESSES: bool = false;
    /// Processes none in it.
    const PROCESSES_EACH: bool = false;
    /// Writes none.
    const WRITES: bool = false;
    /// Writes none in it.
    const WRITES_EACH: bool = false;
}

impl<Item, C: ?Sized> NotOffered for Offered<Item, C> {}

/// What stands for a name that is no step, so that the rest of the job can be checked.
pub(super) const UNKNOWN: Activity = Activity::Step(&StepInfo {
    id: "",
    name: "",
    doc: "",
    kind: StepKind::Tasklet,
    options: StepOptions::DEFAULT,
    components: &[],
    kinds: None,
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
pub(super) const fn is_unknown(activity: &Activity) -> bool {
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
        Some(Subject::Decider(info)) => info,
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
    noun: &str,
) -> Option<Message> {
    if runs.is_some() {
        return None;
    }
    if decides.is_some() {
        let message = Message::of("decider ")
            .code(name)
            .and(" does no work but chooses what comes next; write `match ");
        return Some(message.and(name).and(" { .. }`"));
    }
    Some(match noun.as_bytes() {
        b"" => Message::new().code(name).and(" is not a step: put `#[step]` on the function of this name"),
        b"resource" => Message::of("resource ")
            .code(name)
            .and(" is no step; components ask for it by an argument `")
            .and(name)
            .and(": &..`"),
        b"reader" | b"processor" | b"writer" | b"classifier" => Message::of(noun)
            .and(" ")
            .code(name)
            .and(" is no step; put it into one, `#[step(chunk = 100)] fn load() { reader | .. | writer }`, and name that"),
        _ => Message::of(noun)
            .and(" ")
            .code(name)
            .and(" is no step; a job runs what has `#[step]`, `#[flow]` or `#[job]` on it"),
    })
}

const fn article(noun: &str) -> &'static str {
    match noun.as_bytes() {
        [b'a' | b'e' | b'i' | b'o' | b'u', ..] => "an ",
        _ => "a ",
    }
}

/// Why a name cannot stand where a function with the attribute `role` is expected; `noun` is what it is.
#[must_use]
pub const fn why_not_in_role(name: &str, role: &str, noun: &str) -> Option<Message> {
    let is_listener = same(role, "job listener") && same(noun, "listener");
    if same(noun, role) || is_listener {
        return None;
    }
    let message = Message::new().code(name).and(" is ");
    if noun.is_empty() {
        let attribute = match role.as_bytes() {
            b"listener" => "listener(after_step)",
            b"job listener" => "listener(after_job)",
            b"function of `chunk_while`" => "chunk_while",
            b"skip policy" => "skip_policy",
            b"retry policy" => "retry_policy",
            _ => role,
        };
        let message = message.and("not ").and(article(role)).and(role).and(": put `#[").and(attribute);
        return Some(message.and("]` on the function of this name"));
    }
    let message = message.and(article(noun)).and(noun).and(", and ").and(article(role)).and(role);
    Some(match role.as_bytes() {
        b"reader" => message.and(" stands at the beginning of a step: `reader | processor | .. | writer`"),
        b"processor" => message.and(" stands between reader and writer: `reader | processor | .. | writer`"),
        b"writer" => message.and(" stands at the end of a step: `reader | processor | .. | writer`"),
        _ => message.and(" is expected here"),
    })
}

/// Why a `Vec` does not come as single items to a component that would take these, if `whole`: it is one item.
#[must_use]
pub const fn why_whole(role: &str, name: &str, to: &str, whole: bool) -> Option<Message> {
    if !whole {
        return None;
    }
    let message = Message::of(role).and(" ").code(name);
    Some(match role.as_bytes() {
        b"reader" => message
            .and(" reads each `Vec` as one item, and ")
            .code(to)
            .and(" takes what is in it: put a processor between them that returns `Many<Vec<..>>`"),
        _ => message
            .and(" returns each `Vec` as one item, and ")
            .code(to)
            .and(" takes what is in it: let ")
            .code(name)
            .and(" return `Many<Vec<..>>`"),
    })
}

/// Why what a name stands for has nothing that a text could tell.
#[must_use]
pub const fn why_not_told(name: &str, noun: &str) -> Option<Message> {
    let message = Message::new().code(name).and(" is ").and(article(noun)).and(noun);
    match noun.as_bytes() {
        b"decider" => {
            Some(message.and(", and what a decider says is not kept; have a step return what is to be told"))
        }
        b"flow" => {
            Some(message.and(", which leaves nothing; tell what a step of it left in the flow itself"))
        }
        b"job" => Some(message.and(", and what its steps leave stays in it")),
        _ => None,
    }
}

/// Why a job cannot `match` on a name.
#[must_use]
pub const fn why_not_matched(name: &str, decides: Option<Subject>, noun: &str) -> Option<Message> {
    if decides.is_some() {
        return None;
    }
    let message = Message::of("a job cannot `match` on ");
    Some(if noun.is_empty() {
        message.code(name).and(": put `#[decider]` on the function of this name, or match on a step")
    } else {
        message.and(noun).and(" ").code(name).and(": match on a decider or a step")
    })
}

/// Why a loop cannot ask what stands behind `while`.
#[must_use]
pub const fn why_not_asked(name: &str, decides: Option<Subject>, yes_or_no: bool) -> Option<Message> {
    let message = Message::of("`while` asks a decider for yes or no, and ").code(name);
    let message = match decides {
        Some(Subject::Decider(_)) if yes_or_no => return None,
        Some(Subject::Decider(_)) => message.and(" returns something else; let it return `bool`"),
        Some(_) => message.and(" is a step; put `#[decider]` on a function that returns `bool`"),
        None => {
            return Some(
                message.and(" is none; put `#[decider]` on a function that returns `bool`, and name that"),
            );
        }
    };
    Some(message.and(", or write `loop { match ").and(name).and(" { .. => break, .. } }`"))
}

/// Why the outcomes of a step are not those of a name.
#[must_use]
pub const fn why_not_ended(name: &str, decides: Option<Subject>) -> Option<Message> {
    let message = match decides {
        Some(Subject::Ended(_)) => return None,
        Some(Subject::Decider(_)) => Message::of("decider ").code(name).and(" returns a value of its own"),
        Some(Subject::Value(_)) => Message::of("step ").code(name).and(" returns a value"),
        None => {
            return Some(
                Message::of("`Completed` and `Failed` are outcomes of a step, and ")
                    .code(name)
                    .and(" is none"),
            );
        }
    };
    Some(message.and("; write patterns of that, not `Completed` and `Failed`"))
}

/// Why a name cannot be given to `main!`.
#[must_use]
pub const fn why_no_job(
    name: &str,
    job: Option<&'static JobInfo>,
    runs: Option<Activity>,
) -> Option<Message> {
    let message = Message::new().code(name);
    match (job, runs) {
        (Some(_), _) => None,
        (None, Some(Activity::Flow(_))) => {
            Some(message.and(" is a flow, which runs only as a part of a job; name the job"))
        }
        (None, Some(_)) => Some(
            message
                .and(" is a step, and `main!` starts jobs; put it into one, `#[job] fn daily() { ")
                .and(name)
                .and("; }`, and name that"),
        ),
        (None, None) => Some(message.and(" is not a job; put `#[job]` on the function of this name")),
    }
}
