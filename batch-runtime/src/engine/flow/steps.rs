//! Finds the steps of a job's body, including those of its flows.

use std::collections::BTreeMap;

use crate::definition::StepInfo;
use crate::graph::{Activity, Node, Use};

/// The steps of a body by their names in it.
pub(crate) fn steps_by_name(nodes: &'static [Node]) -> BTreeMap<&'static str, &'static StepInfo> {
    let mut steps = BTreeMap::new();
    visit(nodes, &mut |name, step| {
        steps.insert(name, step);
    });
    steps
}

/// The steps of a body in its order.
pub(crate) fn steps(nodes: &'static [Node]) -> Vec<&'static StepInfo> {
    let mut steps = Vec::new();
    visit(nodes, &mut |_, step| steps.push(step));
    steps
}

fn visit(nodes: &'static [Node], found: &mut dyn FnMut(&'static str, &'static StepInfo)) {
    for node in nodes {
        match node {
            Node::Run(used) => visit_use(used, found),
            Node::Match { used, arms, .. } => {
                visit_use(used, found);
                arms.iter().for_each(|arm| visit(arm.body, found));
            }
            Node::While { body, .. } | Node::Loop(body) => visit(body, found),
            Node::Split { branches, .. } => branches.iter().for_each(|branch| visit(branch, found)),
            Node::Break | Node::End(..) | Node::Fail(_) | Node::Stop(_) => {}
        }
    }
}

fn visit_use(used: &Use, found: &mut dyn FnMut(&'static str, &'static StepInfo)) {
    match used.activity {
        Activity::Step(step) => found(used.name, step),
        Activity::Flow(flow) => visit(flow.nodes, found),
        Activity::Job(_) | Activity::Decider(_) | Activity::Text(_) => {}
    }
}
