//! Checks that every requested `&Output<step>` exists at its place in a job's body, and that every
//! `Partition<Range>` has a partitioner.

use crate::definition::{Need, NeedKind, Partitioning, StepInfo};
use crate::graph::{Activity, Use};

use super::Wiring;
use super::message::{Message, same};
use super::paths::surely_completed;
use super::places::{Place, runs_beside, use_at};

/// Reports a step that asks for the output of another step, unless every path to it runs that other step.
#[must_use]
pub const fn unsure_output(wiring: &Wiring, used: &Use, place: Place) -> Option<Message> {
    let place = place.number();
    if !wiring.complete {
        return None;
    }
    match &used.activity {
        Activity::Flow(flow) => {
            let mut inside = 0;
            while let Some(inner) = use_at(flow.nodes, inside) {
                inside += 1;
                if !matches!(inner.activity, Activity::Flow(_)) {
                    let message = of_use(wiring, inner, place + inside);
                    if message.is_some() {
                        return message;
                    }
                }
            }
            None
        }
        _ => of_use(wiring, used, place),
    }
}

const fn of_use(wiring: &Wiring, used: &Use, place: usize) -> Option<Message> {
    match &used.activity {
        Activity::Step(step) => {
            let message = unpartitioned(step, used);
            if message.is_some() {
                return message;
            }
            let mut at = 0;
            while at < step.components.len() {
                let message = of_needs(wiring, step.components[at].needs, used, place);
                if message.is_some() {
                    return message;
                }
                at += 1;
            }
            None
        }
        Activity::Decider(decider) => of_needs(wiring, decider.needs, used, place),
        Activity::Text(text) => of_needs(wiring, text.needs, used, place),
        // A nested job is checked on its own.
        Activity::Job(_) | Activity::Flow(_) => None,
    }
}

/// Reports a step that asks for a partition and has no partitioner.
const fn unpartitioned(step: &StepInfo, used: &Use) -> Option<Message> {
    if let Some(Partitioning { has_partitioner: true, .. }) = step.options.partitioning {
        return None;
    }
    let mut component = 0;
    while component < step.components.len() {
        let needs = step.components[component].needs;
        let mut at = 0;
        while at < needs.len() {
            if let NeedKind::Partition = needs[at].kind {
                let message = Message::of("step ").code(used.name).and(" has no partitioner, and ");
                return Some(message.and(needs[at].asked_by).and(
                    " asks for a partition; write `#[step(.., partitioner = f)]` with a function that makes partitions",
                ));
            }
            at += 1;
        }
        component += 1;
    }
    None
}

const fn of_needs(wiring: &Wiring, needs: &'static [Need], used: &Use, place: usize) -> Option<Message> {
    let mut at = 0;
    while at < needs.len() {
        if let NeedKind::Output { step, name, .. } = needs[at].kind
            && runs_beside(wiring.nodes, place, step)
        {
            let message = Message::of(used.activity.noun()).and(" ").code(used.name);
            return Some(
                message
                    .and(" asks for the output of ")
                    .code(name)
                    .and(", which runs beside it in another branch of the `split!`; put `")
                    .and(name)
                    .and(";` before the `split!`"),
            );
        }
        if let NeedKind::Output { step, name, optional: false } = needs[at].kind
            && !surely_completed(wiring.nodes, place, step)
        {
            let message =
                Message::of(used.activity.noun()).and(" ").code(used.name).and(" asks for the output of ");
            let message = message.code(name);
            return Some(if is_before(wiring, place, step) {
                let message = message.and(", and not every path to it runs ").code(name);
                if let Activity::Text(_) = used.activity {
                    return Some(
                        message
                            .and("; leave the value out, or write `")
                            .and(used.name)
                            .and("` where every path does"),
                    );
                }
                message.and("; ask for `Option<&Output<").and(name).and(">>`")
            } else {
                message
                    .and(", which ")
                    .and(wiring.noun)
                    .and(" ")
                    .code(wiring.name)
                    .and(" does not run before it; put `")
                    .and(name)
                    .and(";` before it")
            });
        }
        at += 1;
    }
    None
}

const fn is_before(wiring: &Wiring, place: usize, id: &str) -> bool {
    let mut at = 0;
    while at < place {
        match use_at(wiring.nodes, at) {
            Some(used) => {
                if same(used.activity.id(), id) {
                    return true;
                }
            }
            None => return false,
        }
        at += 1;
    }
    false
}
