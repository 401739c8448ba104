//! Determines the role of a name's marker in a job's body, or explains why the marker lacks the expected role.
//!
//! A marker that is not a step must not break the job's constants, or it would hide the job's other mistakes. So
//! [`Probe`] never requires a trait: it has an inherent constant if the marker implements the trait; otherwise the
//! compiler finds the constant of the same name in a trait that every type implements.

use std::marker::PhantomData;

use super::message::{Message, same};
use crate::definition::{
    DeciderInfo, Decides, JobDefinition, JobInfo, JobOptions, Marked, ProcessorDefinition, Runs, StepInfo,
    StepKind, StepOptions, WriterDefinition,
};
use crate::graph::{Activity, Subject};
#[cfg(feature = "csv")]
use crate::readers::Lent;

/// Determines which traits `T` implements.
#[derive(Debug)]
pub struct Probe<T: ?Sized>(PhantomData<T>);

impl<T: Runs> Probe<T> {
    /// The activity that a job runs by the name.
    pub const RUNS: Option<Activity> = Some(T::ACTIVITY);
}

impl<T: Decides> Probe<T> {
    /// The subject that a job matches on by the name.
    pub const DECIDES: Option<Subject> = Some(T::SUBJECT);
}

impl<T: JobDefinition> Probe<T> {
    /// The job that the name stands for.
    pub const JOB: Option<&'static JobInfo> = Some(T::INFO);
}

impl<T: Decides<Outcome = bool>> Probe<T> {
    /// True if the decider returns `bool`.
    pub const YES_OR_NO: bool = true;
}

impl<T: Marked> Probe<T> {
    /// The word for the function in messages.
    pub const NOUN: &'static str = T::NOUN;
}

#[cfg(feature = "csv")]
impl<T> Probe<Lent<T>> {
    /// True if it is an item that borrows from its record.
    pub const IS_LENT: bool = true;
}

/// The answers for types that implement nothing.
pub trait Nothing {
    /// Runs nothing.
    const RUNS: Option<Activity> = None;
    /// Decides nothing.
    const DECIDES: Option<Subject> = None;
    /// Decides nothing.
    const YES_OR_NO: bool = false;
    /// Is not a job.
    const JOB: Option<&'static JobInfo> = None;
    /// Has no attribute.
    const NOUN: &'static str = "";
    /// Owns its data.
    const IS_LENT: bool = false;
}

impl<T: ?Sized> Nothing for Probe<T> {}

/// Determines whether the component `C` takes an `Item`, or its elements.
#[derive(Debug)]
pub struct Offered<Item, C: ?Sized>(PhantomData<Item>, PhantomData<C>);

impl<Item, C: ProcessorDefinition<Item>> Offered<Item, C> {
    /// It processes `Item`.
    pub const PROCESSES: bool = true;
}

impl<Item, C: ProcessorDefinition<Item>> Offered<Vec<Item>, C> {
    /// It processes the elements of `Item`.
    pub const PROCESSES_EACH: bool = true;
}

impl<Item, C: WriterDefinition<Item>> Offered<Item, C> {
    /// It writes `Item`.
    pub const WRITES: bool = true;
}

impl<Item, C: WriterDefinition<Item>> Offered<Vec<Item>, C> {
    /// It writes the elements of `Item`.
    pub const WRITES_EACH: bool = true;
}

/// The answers for components that do neither.
pub trait NotOffered {
    /// It does not process `Item`.
    const PROCESSES: bool = false;
    /// It does not process the elements.
    const PROCESSES_EACH: bool = false;
    /// It does not write `Item`.
    const WRITES: bool = false;
    /// It does not write the elements.
    const WRITES_EACH: bool = false;
}

impl<Item, C: ?Sized> NotOffered for Offered<Item, C> {}

/// A placeholder for a name that is not a step, so that the rest of the job can be checked.
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

/// Returns whether this is the placeholder for an unknown name.
#[must_use]
pub(super) const fn is_unknown(activity: &Activity) -> bool {
    activity.id().is_empty()
}

/// The activity, or a placeholder.
#[must_use]
pub const fn run_or_unknown(runs: Option<Activity>) -> Activity {
    match runs {
        Some(activity) => activity,
        None => UNKNOWN,
    }
}

/// The subject, or a placeholder.
#[must_use]
pub const fn subject_or_unknown(decides: Option<Subject>) -> Subject {
    match decides {
        Some(subject) => subject,
        None => Subject::Ended(UNKNOWN),
    }
}

/// The decider of a loop, or a placeholder.
#[must_use]
pub const fn decider_or_unknown(decides: Option<Subject>) -> &'static DeciderInfo {
    match decides {
        Some(Subject::Decider(info)) => info,
        _ => &NO_DECIDER,
    }
}

/// The job, or a placeholder.
#[must_use]
pub const fn job_or_unknown(job: Option<&'static JobInfo>) -> &'static JobInfo {
    match job {
        Some(job) => job,
        None => &NO_JOB,
    }
}

/// The reason why a name cannot be a statement of a job's body.
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
            .and(" is not a step; components ask for it by an argument `")
            .and(name)
            .and(": &..`"),
        b"reader" | b"processor" | b"writer" | b"classifier" => Message::of(noun)
            .and(" ")
            .code(name)
            .and(" is not a step; put it into one, `#[step(chunk = 100)] fn load() { reader | .. | writer }`, and name that"),
        _ => Message::of(noun)
            .and(" ")
            .code(name)
            .and(" is not a step; a job runs functions with `#[step]`, `#[flow]` or `#[job]`"),
    })
}

const fn article(noun: &str) -> &'static str {
    match noun.as_bytes() {
        [b'a' | b'e' | b'i' | b'o' | b'u', ..] => "an ",
        _ => "a ",
    }
}

/// The reason why a name cannot be used where the attribute `role` is expected; `noun` is the attribute that it has.
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
        b"reader" => message.and(" belongs at the start of a step: `reader | processor | .. | writer`"),
        b"processor" => message.and(" belongs between reader and writer: `reader | processor | .. | writer`"),
        b"writer" => message.and(" belongs at the end of a step: `reader | processor | .. | writer`"),
        _ => message.and(" is expected here"),
    })
}

/// The reason why a component gets each `Vec` whole although it takes the elements, if `whole`: a `Vec` is one item.
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
            .and(" takes its elements: put a processor between them that returns `Many<Vec<..>>`"),
        _ => message
            .and(" returns each `Vec` as one item, and ")
            .code(to)
            .and(" takes its elements: let ")
            .code(name)
            .and(" return `Many<Vec<..>>`"),
    })
}

/// The reason why a component cannot take the items of a reader that lends them, if `is_kept`: it would keep them for
/// longer than a call.
#[must_use]
pub const fn why_lent(reader: &str, role: &str, to: &str, is_kept: bool) -> Option<Message> {
    if !is_kept {
        return None;
    }
    let message = Message::of("reader ").code(reader).and(" lends each record for one call");
    Some(match role.as_bytes() {
        b"writer" => message
            .and(", and writer ")
            .code(to)
            .and(" needs a whole chunk of them: put a processor between them that takes the item with its lifetime, `Item<'_>`, or let the item own its data (`String` for `&str`)"),
        _ => message
            .and(", and ")
            .code(to)
            .and(" does not take one: let its first argument be the reader's item with its lifetime, `Item<'_>`, or let the item own its data (`String` for `&str`)"),
    })
}

/// The reason why a name has no value that a text could show.
#[must_use]
pub const fn why_not_shown(name: &str, noun: &str) -> Option<Message> {
    let message = Message::new().code(name).and(" is ").and(article(noun)).and(noun);
    match noun.as_bytes() {
        b"decider" => Some(message.and(", whose outcome is not kept; let a step return the value to show")),
        b"flow" => {
            Some(message.and(", which has no output; show the output of its step inside the flow itself"))
        }
        b"job" => Some(message.and(", and the outputs of its steps stay in it")),
        _ => None,
    }
}

/// The reason why a job cannot `match` on a name.
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

/// The reason why a loop cannot use the name after `while`.
#[must_use]
pub const fn why_not_asked(name: &str, decides: Option<Subject>, yes_or_no: bool) -> Option<Message> {
    let message = Message::of("`while` asks a decider for yes or no, and ").code(name);
    let message = match decides {
        Some(Subject::Decider(_)) if yes_or_no => return None,
        Some(Subject::Decider(_)) => message.and(" returns something else; let it return `bool`"),
        Some(_) => message.and(" is a step; put `#[decider]` on a function that returns `bool`"),
        None => {
            return Some(message.and(
                " is not a decider; put `#[decider]` on a function that returns `bool`, and name that",
            ));
        }
    };
    Some(message.and(", or write `loop { match ").and(name).and(" { .. => break, .. } }`"))
}

/// The reason why a name does not have the outcomes of a step.
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
                    .and(" is not a step"),
            );
        }
    };
    Some(message.and("; match on that value, not on `Completed` and `Failed`"))
}

/// The reason why a name cannot be passed to `main!`.
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
