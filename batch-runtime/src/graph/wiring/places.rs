//! Numbers the places in a job's body, and finds the names and the other branches at a place.
//!
//! Places are numbered in the order of the body; those inside a flow count as if written there.

use crate::graph::{Activity, Arm, Node, Use};

use super::message::same;

/// The position of a name in a body, and whether all names before it are literally as written.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    number: usize,
    as_written: bool,
}

impl Place {
    /// The place of the first name of a body.
    pub const FIRST: Self = Self { number: 0, as_written: true };

    /// The place after a name that the source spells as `written`.
    #[must_use]
    pub const fn after(self, used: &Use, written: &str) -> Self {
        Self {
            number: self.number + places(&used.activity),
            as_written: self.as_written
                && !matches!(used.activity, Activity::Flow(_))
                && same(used.name, written),
        }
    }

    pub(super) const fn number(self) -> usize {
        self.number
    }

    /// Returns whether every name before this place is literally what it reads as, with nothing hidden in a
    /// flow.
    pub(super) const fn is_as_written(self) -> bool {
        self.as_written
    }
}

/// The number of places that an activity takes: one, plus those inside a flow.
pub(super) const fn places(activity: &Activity) -> usize {
    match activity {
        Activity::Flow(flow) => 1 + places_in(flow.nodes),
        _ => 1,
    }
}

pub(super) const fn places_in(nodes: &'static [Node]) -> usize {
    let mut count = 0;
    let mut at = 0;
    while at < nodes.len() {
        count += places_of(&nodes[at]);
        at += 1;
    }
    count
}

const fn places_of(node: &'static Node) -> usize {
    let parts = Parts::of(node);
    let mut count = parts.used.is_some() as usize;
    let mut at = 0;
    while let Some(part) = parts.part(at) {
        count += places_in(part);
        at += 1;
    }
    count
}

/// The parts of a statement: a name, and the bodies after it.
struct Parts {
    used: Option<&'static Use>,
    arms: &'static [Arm],
    branches: &'static [&'static [Node]],
    body: &'static [Node],
}

impl Parts {
    const fn of(node: &'static Node) -> Self {
        let empty = Self { used: None, arms: &[], branches: &[], body: &[] };
        match node {
            Node::Run(used) => match &used.activity {
                Activity::Flow(flow) => Self { used: Some(used), body: flow.nodes, ..empty },
                _ => Self { used: Some(used), ..empty },
            },
            Node::Match { used, arms, .. } => Self { used: Some(used), arms, ..empty },
            Node::While { used, body, .. } => Self { used: Some(used), body, ..empty },
            Node::Loop(body) => Self { body, ..empty },
            Node::Split { branches, .. } => Self { branches, ..empty },
            Node::End(_, text) | Node::Fail(text) | Node::Stop(text) => Self { used: text.values, ..empty },
            Node::Break => empty,
        }
    }

    /// The bodies in order.
    const fn part(&self, at: usize) -> Option<&'static [Node]> {
        if at < self.arms.len() {
            Some(self.arms[at].body)
        } else if at < self.branches.len() {
            Some(self.branches[at])
        } else if at == 0 && !self.body.is_empty() {
            Some(self.body)
        } else {
            None
        }
    }
}

/// The use at a place, counted from the first of `nodes`.
pub(super) const fn use_at(nodes: &'static [Node], place: usize) -> Option<&'static Use> {
    let mut first = 0;
    let mut at = 0;
    while at < nodes.len() {
        let parts = Parts::of(&nodes[at]);
        if let Some(used) = parts.used {
            if first == place {
                return Some(used);
            }
            first += 1;
        }
        let mut inside = 0;
        while let Some(part) = parts.part(inside) {
            let size = places_in(part);
            if place < first + size {
                return use_at(part, place - first);
            }
            first += size;
            inside += 1;
        }
        at += 1;
    }
    None
}

/// Returns whether the step of that module and name runs in another branch of a split around the place.
pub(super) const fn runs_beside(nodes: &'static [Node], place: usize, id: &'static str) -> bool {
    let mut first = 0;
    let mut at = 0;
    while at < nodes.len() {
        let parts = Parts::of(&nodes[at]);
        if parts.used.is_some() {
            if first == place {
                return false;
            }
            first += 1;
        }
        let mut inside = 0;
        while let Some(part) = parts.part(inside) {
            let size = places_in(part);
            if place < first + size {
                return runs_in_another(parts.branches, inside, id) || runs_beside(part, place - first, id);
            }
            first += size;
            inside += 1;
        }
        at += 1;
    }
    false
}

const fn runs_in_another(branches: &'static [&'static [Node]], one: usize, id: &'static str) -> bool {
    let mut other = 0;
    while other < branches.len() {
        let mut at = 0;
        while let Some(used) = use_at(branches[other], at) {
            if other != one && same(used.activity.id(), id) {
                return true;
            }
            at += 1;
        }
        other += 1;
    }
    false
}
