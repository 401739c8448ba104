//! Finds the steps of a job's body, including those of its flows.

use std::collections::BTreeMap;

use crate::definition::{JobInfo, StepInfo};
use crate::graph::{Activity, Node, Use};

/// The steps of a body by their names in it.
pub(crate) fn steps_by_name(nodes: &'static [Node]) -> BTreeMap<&'static str, &'static StepInfo> {
    let mut steps = BTreeMap::new();
    visit(nodes, &mut |name, step| {
        steps.insert(name, step);
    });
    steps
}

/// The steps of a body, in the order of the body.
pub(crate) fn steps(nodes: &'static [Node]) -> Vec<&'static StepInfo> {
    let mut steps = Vec::new();
    visit(nodes, &mut |_, step| steps.push(step));
    steps
}

/// These jobs and those nested in them, by name.
pub(crate) fn jobs_by_name(jobs: &[&'static JobInfo]) -> BTreeMap<&'static str, &'static JobInfo> {
    let mut found = BTreeMap::new();
    let mut left = jobs.to_vec();
    while let Some(job) = left.pop() {
        if found.insert(job.name, job).is_none() {
            uses(job.flow, &mut |used| {
                if let Activity::Job(nested) = used.activity {
                    left.push(nested);
                }
            });
        }
    }
    found
}

fn visit(nodes: &'static [Node], found: &mut dyn FnMut(&'static str, &'static StepInfo)) {
    uses(nodes, &mut |used| {
        if let Activity::Step(step) = used.activity {
            found(used.name, step);
        }
    });
}

/// Visits the uses of steps and nested jobs in the order of the body, including those in its flows.
fn uses(nodes: &'static [Node], visit: &mut dyn FnMut(&'static Use)) {
    for node in nodes {
        match node {
            Node::Run(used) => enter(used, visit),
            Node::Match { used, arms, .. } => {
                enter(used, visit);
                arms.iter().for_each(|arm| uses(arm.body, visit));
            }
            Node::While { body, .. } | Node::Loop(body) => uses(body, visit),
            Node::Split { branches, .. } => branches.iter().for_each(|branch| uses(branch, visit)),
            Node::Break | Node::End(..) | Node::Fail(_) | Node::Stop(_) => {}
        }
    }
}

fn enter(used: &'static Use, visit: &mut dyn FnMut(&'static Use)) {
    match used.activity {
        Activity::Flow(flow) => uses(flow.nodes, visit),
        _ => visit(used),
    }
}
