//! Checks the wiring of a job at compile time. Generated code checks one rule at one token of the user's
//! source, and panics there with the [`Message`].

mod message;
mod needs;
mod outputs;
mod parameters;
mod paths;
mod places;
mod probe;

pub use message::{Message, same};
pub(crate) use needs::sizes;
pub use outputs::unsure_output;
pub use parameters::{ill_bound, is_used, missing, missing_for_listener, unknown_argument};
pub use places::Place;
pub use probe::{
    NotOffered, Nothing, Offered, Probe, decider_or_unknown, job_or_unknown, run_or_unknown,
    subject_or_unknown, why_lent, why_no_job, why_not_asked, why_not_ended, why_not_in_role, why_not_matched,
    why_not_run, why_not_shown, why_whole,
};

use std::any::Any;

use crate::definition::ParameterSpec;
use crate::graph::{Activity, Node, Use};

/// The parts of a job or flow that its wiring depends on.
#[derive(Debug, Clone, Copy)]
pub struct Wiring {
    /// `job` or `flow`.
    pub noun: &'static str,
    /// The name of the job or flow.
    pub name: &'static str,
    /// The arguments of the job; `None` for a flow, which has those of the job that contains it.
    pub parameters: Option<&'static [ParameterSpec]>,
    /// The body of the job or flow.
    pub nodes: &'static [Node],
    /// Whether the whole body could be parsed. If not, checks that depend on the steps before a place are left out.
    pub complete: bool,
}

/// The name under which an activity is used.
#[must_use]
pub const fn name_of(
    activity: &Activity,
    given: Option<&'static str>,
    written: &'static str,
) -> &'static str {
    match given {
        Some(given) => given,
        None if probe::is_unknown(activity) => written,
        None => activity.name(),
    }
}

/// Reports a name that is run twice. `first` is true if no earlier name reads the same.
#[must_use]
pub const fn repeated(
    wiring: &Wiring,
    used: &Use,
    place: Place,
    first: bool,
    after: Place,
) -> Option<Message> {
    // Comparing all names with each other takes the compiler a long time. As long as every name is literally as
    // written, the caller's `first` is enough.
    if first && after.is_as_written() {
        return None;
    }
    let place = place.number();
    if probe::is_unknown(&used.activity) || matches!(used.activity, Activity::Decider(_)) {
        return None;
    }
    let Activity::Flow(flow) = &used.activity else {
        if !paths::perhaps_run(wiring.nodes, place, used.name) {
            return None;
        }
        return Some(
            Message::of(used.activity.noun())
                .and(" ")
                .code(used.name)
                .and(" is already in ")
                .and(wiring.noun)
                .and(" ")
                .code(wiring.name)
                .and("; a restart could not tell the two apart; give one of them another name: `")
                .and(used.activity.name())
                .and(" as ")
                .and(used.name)
                .and("_again`"),
        );
    };
    let mut inside = 0;
    while let Some(inner) = places::use_at(flow.nodes, inside) {
        inside += 1;
        if !matches!(inner.activity, Activity::Step(_) | Activity::Job(_)) {
            continue;
        }
        if paths::perhaps_run(wiring.nodes, place, inner.name) {
            return Some(
                Message::of(inner.activity.noun())
                    .and(" ")
                    .code(inner.name)
                    .and(" of flow ")
                    .code(flow.name)
                    .and(" is already in ")
                    .and(wiring.noun)
                    .and(" ")
                    .code(wiring.name)
                    .and("; a restart could not tell the two apart; run it in one of the two places only, or give it another name there: `")
                    .and(inner.activity.name())
                    .and(" as ")
                    .and(inner.name)
                    .and("_again`"),
            );
        }
    }
    None
}

/// Reports a name after `as` where nothing can be named.
#[must_use]
pub const fn needless_name(used: &Use) -> Option<Message> {
    match &used.activity {
        Activity::Flow(flow) => Some(
            Message::of("flow ")
                .code(flow.name)
                .and(" has no name of its own in a job: its steps have names; drop `as ")
                .and(used.name)
                .and("`"),
        ),
        Activity::Decider(decider) => Some(
            Message::of("decider ")
                .code(decider.name)
                .and(" needs no name of its own; drop `as ")
                .and(used.name)
                .and("`"),
        ),
        Activity::Step(_) | Activity::Job(_) | Activity::Text(_) => None,
    }
}

/// Converts the outcome back to its original type.
///
/// # Panics
/// Never: `route` is called with the outcome of the subject of the same `match`.
#[must_use]
pub fn outcome<T: 'static>(outcome: Box<dyn Any>) -> T {
    *outcome.downcast().expect("a route takes the outcome of its own subject")
}
