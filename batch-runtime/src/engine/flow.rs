//! Receives: a job's body. Gives: the walk through it, and the name of every place on the way: the one definition of
//! where a job stands, for running, replaying and checking a journal alike.
//!
//! A place is named by what stands there and, inside loops, by the iterations: `load`, `page[3]`, `match quality`,
//! `while more[2]`. What may stand in a body more than once is numbered in the order of the body: `match quality#2`.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::definition::{Binding, DeciderInfo, StepInfo};
use crate::graph::{Activity, Arm, Node, Subject, Use};

use super::step::Route;

/// One place of the walk.
pub(super) struct Place<'w> {
    /// Its name, with iterations.
    pub(super) path: String,
    /// What stands there.
    pub(super) used: &'static Use,
    /// The bindings around it, outermost first, its own included.
    pub(super) bindings: &'w [&'static [Binding]],
}

/// What is done at the places of a walk.
pub(super) trait Driver {
    /// Why the walk ends: also at the end of the job.
    type Halt;

    /// Passes a step or nested job.
    fn run(&mut self, place: &Place<'_>) -> Result<(), Self::Halt>;

    /// Says which arm is taken; `place` is the subject's, `choice` names the match.
    fn choose(
        &mut self,
        place: &Place<'_>,
        choice: &str,
        subject: Subject,
        route: Route,
    ) -> Result<usize, Self::Halt>;

    /// Asks a decider of a loop.
    fn ask(&mut self, place: &Place<'_>, decider: &'static DeciderInfo) -> Result<bool, Self::Halt>;

    /// Walks the branches of a split, at most `max` at once.
    fn split(&mut self, branches: &[Branch<'_>], max: Option<u32>) -> Result<(), Self::Halt>;

    /// `stop!` at that place; `Ok` where an earlier execution stopped there.
    fn stop(&mut self, path: &str, why: &'static str) -> Result<(), Self::Halt>;

    /// `end!`.
    fn end(&mut self, code: &'static str) -> Self::Halt;

    /// `fail!`.
    fn fail(&mut self, why: &'static str) -> Self::Halt;
}

/// Walks a body from its beginning to its end, or to where the driver halts.
pub(super) fn walk<D: Driver>(nodes: &'static [Node], driver: &mut D) -> Result<(), D::Halt> {
    let mut walk = Walk { driver, iterations: Vec::new(), bindings: Vec::new() };
    walk.nodes(nodes, &mut Numbering::default()).map(|_| ())
}

/// How often each kind of thing that may stand in a body more than once was passed, in the order of the body, whether or
/// not it was executed.
#[derive(Clone, Default)]
struct Numbering(BTreeMap<String, u32>);

impl Numbering {
    /// `what` the first time, then `what#2`, `what#3` …
    fn number(&mut self, what: String) -> String {
        let count = self.0.entry(what.clone()).or_insert(0);
        *count += 1;
        if *count == 1 { what } else { format!("{what}#{count}") }
    }

    fn skip(&mut self, nodes: &[Node]) {
        for node in nodes {
            match node {
                Node::Run(Use { activity: Activity::Flow(flow), .. }) => self.skip(flow.nodes),
                Node::Match { used, arms, .. } => {
                    self.number(match_name(used));
                    self.skip_arms(arms);
                }
                Node::While { used, body, .. } => {
                    self.number(while_name(used));
                    self.skip(body);
                }
                Node::Loop(body) => self.skip(body),
                Node::Split { branches, .. } => branches.iter().for_each(|branch| self.skip(branch)),
                Node::Stop(_) => {
                    self.number(STOP.to_owned());
                }
                Node::Run(_) | Node::Break | Node::End(_) | Node::Fail(_) => {}
            }
        }
    }

    fn skip_arms(&mut self, arms: &[Arm]) {
        for arm in arms {
            self.skip(arm.body);
        }
    }
}

const STOP: &str = "stop";

fn match_name(used: &Use) -> String {
    format!("match {}", used.name)
}

fn while_name(used: &Use) -> String {
    format!("while {}", used.name)
}

/// A branch of a split, to be walked by whoever takes it. Its places have the names that they would have if the branches
/// stood one behind the other, so they are the same in whatever order these come to them.
pub(super) struct Branch<'w> {
    nodes: &'static [Node],
    numbering: Numbering,
    iterations: &'w [u32],
    bindings: &'w [&'static [Binding]],
}

impl Branch<'_> {
    /// Walks it from its beginning to its end, or to where the driver halts.
    pub(super) fn walk<D: Driver>(&self, driver: &mut D) -> Result<(), D::Halt> {
        let (iterations, bindings) = (self.iterations.to_vec(), self.bindings.to_vec());
        // No `break` leads out of a branch.
        Walk { driver, iterations, bindings }.nodes(self.nodes, &mut self.numbering.clone()).map(|_| ())
    }
}

enum Flowing {
    On,
    Broken,
}

struct Walk<'w, D> {
    driver: &'w mut D,
    iterations: Vec<u32>,
    bindings: Vec<&'static [Binding]>,
}

impl<D: Driver> Walk<'_, D> {
    fn nodes(&mut self, nodes: &'static [Node], numbering: &mut Numbering) -> Result<Flowing, D::Halt> {
        for node in nodes {
            if let Flowing::Broken = self.node(node, numbering)? {
                return Ok(Flowing::Broken);
            }
        }
        Ok(Flowing::On)
    }

    fn node(&mut self, node: &'static Node, numbering: &mut Numbering) -> Result<Flowing, D::Halt> {
        match node {
            Node::Run(used) => match used.activity {
                Activity::Flow(flow) => {
                    self.bindings.push(used.bindings);
                    let flowing = self.nodes(flow.nodes, numbering);
                    self.bindings.pop();
                    return flowing;
                }
                _ => self.at(used, used.name.to_owned(), D::run)?,
            },
            Node::Match { subject, used, arms, route } => {
                let choice = self.path(numbering.number(match_name(used)));
                let route = Route { arms, arm_of: *route };
                let taken = self.at(used, used.name.to_owned(), |driver, place| {
                    driver.choose(place, &choice, *subject, route)
                })?;
                let mut inside = numbering.clone();
                inside.skip_arms(&arms[..taken]);
                numbering.skip_arms(arms);
                return self.nodes(arms[taken].body, &mut inside);
            }
            Node::While { decider, used, negated, body } => {
                let name = numbering.number(while_name(used));
                self.iterate(body, numbering, |walk| {
                    let more = walk.at(used, name.clone(), |driver, place| driver.ask(place, decider))?;
                    Ok(more != *negated)
                })?;
            }
            Node::Loop(body) => self.iterate(body, numbering, |_| Ok(true))?,
            Node::Split { branches, max } => {
                let mut ahead = Vec::with_capacity(branches.len());
                for nodes in *branches {
                    let (iterations, bindings) = (&*self.iterations, &*self.bindings);
                    ahead.push(Branch { nodes, numbering: numbering.clone(), iterations, bindings });
                    numbering.skip(nodes);
                }
                self.driver.split(&ahead, *max)?;
            }
            Node::Break => return Ok(Flowing::Broken),
            Node::End(code) => return Err(self.driver.end(code)),
            Node::Fail(why) => return Err(self.driver.fail(why)),
            Node::Stop(why) => {
                let path = self.path(numbering.number(STOP.to_owned()));
                self.driver.stop(&path, why)?;
            }
        }
        Ok(Flowing::On)
    }

    fn iterate(
        &mut self,
        body: &'static [Node],
        numbering: &mut Numbering,
        mut goes_on: impl FnMut(&mut Self) -> Result<bool, D::Halt>,
    ) -> Result<(), D::Halt> {
        self.iterations.push(0);
        let walked = loop {
            if let Some(iteration) = self.iterations.last_mut() {
                *iteration += 1;
            }
            match goes_on(self) {
                Ok(true) => {}
                Ok(false) => break Ok(()),
                Err(halt) => break Err(halt),
            }
            match self.nodes(body, &mut numbering.clone()) {
                Ok(Flowing::On) => {}
                Ok(Flowing::Broken) => break Ok(()),
                Err(halt) => break Err(halt),
            }
        };
        self.iterations.pop();
        numbering.skip(body);
        walked
    }

    fn at<T>(
        &mut self,
        used: &'static Use,
        name: String,
        visit: impl FnOnce(&mut D, &Place<'_>) -> Result<T, D::Halt>,
    ) -> Result<T, D::Halt> {
        let path = self.path(name);
        self.bindings.push(used.bindings);
        let visited = visit(self.driver, &Place { path, used, bindings: &self.bindings });
        self.bindings.pop();
        visited
    }

    /// The name with the iterations of the loops around it.
    fn path(&self, mut name: String) -> String {
        for (depth, iteration) in self.iterations.iter().enumerate() {
            let _ = write!(name, "{}{iteration}", if depth == 0 { '[' } else { '.' });
        }
        if !self.iterations.is_empty() {
            name.push(']');
        }
        name
    }
}

/// The steps of a body, those of its flows included, by the names that they have in it.
pub(super) fn steps_by_name(nodes: &'static [Node]) -> BTreeMap<&'static str, &'static StepInfo> {
    let mut steps = BTreeMap::new();
    gather(nodes, &mut steps);
    steps
}

fn gather(nodes: &'static [Node], steps: &mut BTreeMap<&'static str, &'static StepInfo>) {
    let used = |used: &Use, steps: &mut BTreeMap<&'static str, &'static StepInfo>| match used.activity {
        Activity::Step(step) => {
            steps.insert(used.name, step);
        }
        Activity::Flow(flow) => gather(flow.nodes, steps),
        Activity::Job(_) | Activity::Decider(_) => {}
    };
    for node in nodes {
        match node {
            Node::Run(run) => used(run, steps),
            Node::Match { used: subject, arms, .. } => {
                used(subject, steps);
                arms.iter().for_each(|arm| gather(arm.body, steps));
            }
            Node::While { body, .. } | Node::Loop(body) => gather(body, steps),
            Node::Split { branches, .. } => branches.iter().for_each(|branch| gather(branch, steps)),
            Node::Break | Node::End(_) | Node::Fail(_) | Node::Stop(_) => {}
        }
    }
}
