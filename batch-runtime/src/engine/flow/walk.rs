//! Walks a job's body and names every place in it. Running a job, replaying it and checking its journal all use this
//! walk.
//!
//! A place is named after the statement there and, inside loops, the iterations: `load`, `page[3]`, `match quality`,
//! `while more[2]`. Statements that a body may contain more than once are numbered in the order of the body:
//! `match quality#2`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::definition::{Binding, DeciderInfo};
use crate::graph::{Activity, Arm, Node, Subject, Text, Use};

use crate::engine::step::Route;

/// One place of the walk.
pub(crate) struct Place<'w> {
    /// Its name, with iterations.
    pub(crate) path: String,
    /// The use of a step, job or decider at this place.
    pub(crate) used: &'static Use,
    /// The bindings around it, outermost first, including its own.
    pub(crate) bindings: &'w [&'static [Binding]],
}

/// A decision that led to a statement.
#[derive(Clone)]
pub(crate) enum Around {
    /// An arm of a `match`.
    Match {
        /// The name of the `match`.
        choice: String,
        /// The name of its subject's place.
        place: String,
        /// Its subject.
        subject: Subject,
    },
    /// An iteration of a `while`.
    While {
        /// The name of the decider's place.
        path: String,
    },
}

/// The arms of a `match` that the walk has reached.
pub(crate) struct Ways<'w> {
    pub(crate) route: Route,
    numbering: &'w Numbering,
    iterations: &'w [u32],
}

impl Ways<'_> {
    /// The places in an arm.
    pub(crate) fn arm(&self, index: usize) -> Region {
        let arms = self.route.arms;
        let mut numbering = self.numbering.clone();
        numbering.skip_arms(&arms[..index]);
        Region::new(arms[index].body, numbering, self.iterations)
    }
}

/// The places in a part of a body, in one iteration of the loops around it or in that iteration and all later ones.
pub(crate) struct Region {
    /// The names of the places, and the number of loops around each.
    names: BTreeSet<(String, usize)>,
    iterations: Vec<u32>,
    /// The `while` whose later iterations belong to the region as well.
    repeats: Option<String>,
}

impl Region {
    fn new(nodes: &[Node], mut numbering: Numbering, iterations: &[u32]) -> Self {
        let mut names = BTreeSet::new();
        numbering.pass(nodes, iterations.len(), &mut |name, depth| {
            names.insert((name.to_owned(), depth));
        });
        Self { names, iterations: iterations.to_vec(), repeats: None }
    }

    /// All places of a body.
    pub(crate) fn all(nodes: &[Node]) -> Self {
        Self::new(nodes, Numbering::default(), &[])
    }

    /// Returns whether the region contains the place with that path.
    pub(crate) fn contains(&self, path: &str) -> bool {
        let Some((name, iterations)) = parsed(path) else { return false };
        let depth = self.iterations.len();
        if iterations.len() < depth {
            return false;
        }
        let (around, inside) = (&iterations[..depth], &self.iterations[..]);
        let is_later = || match (around.split_last(), inside.split_last()) {
            (Some((at, around)), Some((first, inside))) => around == inside && at > first,
            _ => false,
        };
        match &self.repeats {
            None if around != inside => return false,
            Some(_) if around != inside && !is_later() => return false,
            Some(repeats) if name == repeats => return is_later(),
            _ => {}
        }
        self.names.contains(&(name.to_owned(), iterations.len()))
    }
}

/// Splits a path into the name and the iterations.
fn parsed(path: &str) -> Option<(&str, Vec<u32>)> {
    let Some((name, rest)) = path.split_once('[') else { return Some((path, Vec::new())) };
    let numbers = rest.strip_suffix(']')?.split('.').map(str::parse);
    numbers.collect::<Result<_, _>>().ok().map(|iterations| (name, iterations))
}

/// Decides what to do at each place of a walk.
pub(crate) trait Driver {
    /// The reason for ending the walk before the end of the body.
    type Halt;

    /// Passes a step or nested job.
    fn run(&mut self, place: &Place<'_>) -> Result<(), Self::Halt>;

    /// Returns the index of the arm to take. `place` is the place of the subject, and `choice` names the `match`.
    fn choose(
        &mut self,
        place: &Place<'_>,
        choice: &str,
        subject: Subject,
        ways: &Ways<'_>,
    ) -> Result<usize, Self::Halt>;

    /// Asks the decider of a loop. `rest` returns the region that is not walked if the loop ends here.
    fn ask(
        &mut self,
        place: &Place<'_>,
        decider: &'static DeciderInfo,
        ends: bool,
        rest: &dyn Fn() -> Region,
    ) -> Result<bool, Self::Halt>;

    /// Walks the branches of a split, at most `max` at a time.
    fn split(&mut self, branches: &[Branch<'_>], max: Option<u32>) -> Result<(), Self::Halt>;

    /// Handles `stop!` at the place `path`. Returns `Ok` if an earlier execution stopped there.
    fn stop(&mut self, path: &str, why: &Text) -> Result<(), Self::Halt>;

    /// Handles `end!`.
    fn end(&mut self, code: &'static str, why: &Text) -> Self::Halt;

    /// Handles `fail!`. `around` holds the decisions that led there, the innermost last.
    fn fail(&mut self, why: &Text, around: &[Around]) -> Self::Halt;
}

/// Walks a body from its beginning until the end, or until the driver halts.
pub(crate) fn walk<D: Driver>(nodes: &'static [Node], driver: &mut D) -> Result<(), D::Halt> {
    let mut walk = Walk { driver, iterations: Vec::new(), bindings: Vec::new(), around: Vec::new() };
    walk.nodes(nodes, &mut Numbering::default()).map(|_| ())
}

/// Counts the statements that a body may contain more than once, in the order of the body, whether or not they are
/// executed.
#[derive(Clone, Default)]
pub(crate) struct Numbering(BTreeMap<String, u32>);

impl Numbering {
    /// Returns `what` the first time, then `what#2`, `what#3` and so on.
    pub(crate) fn number(&mut self, what: String) -> String {
        let count = self.0.entry(what.clone()).or_insert(0);
        *count += 1;
        if *count == 1 { what } else { format!("{what}#{count}") }
    }

    fn skip(&mut self, nodes: &[Node]) {
        self.pass(nodes, 0, &mut |_, _| ());
    }

    fn skip_arms(&mut self, arms: &[Arm]) {
        for arm in arms {
            self.skip(arm.body);
        }
    }

    /// Passes all places in these nodes, and calls `visit` with the name of each and the number of loops around it.
    fn pass(&mut self, nodes: &[Node], depth: usize, visit: &mut dyn FnMut(&str, usize)) {
        for node in nodes {
            match node {
                Node::Run(Use { activity: Activity::Flow(flow), .. }) => self.pass(flow.nodes, depth, visit),
                Node::Run(used) => visit(used.name, depth),
                Node::Match { subject, used, arms, .. } => {
                    if !matches!(subject, Subject::Decider(_)) {
                        visit(used.name, depth);
                    }
                    visit(&self.number(match_name(used)), depth);
                    for arm in *arms {
                        self.pass(arm.body, depth, visit);
                    }
                }
                Node::While { used, body, .. } => {
                    visit(&self.number(while_name(used)), depth + 1);
                    self.pass(body, depth + 1, visit);
                }
                Node::Loop(body) => self.pass(body, depth + 1, visit),
                Node::Split { branches, .. } => {
                    branches.iter().for_each(|branch| self.pass(branch, depth, visit));
                }
                Node::Stop(_) => visit(&self.number(STOP.to_owned()), depth),
                Node::Break | Node::End(..) | Node::Fail(_) => {}
            }
        }
    }
}

pub(crate) const STOP: &str = "stop";

pub(crate) fn match_name(used: &Use) -> String {
    format!("match {}", used.name)
}

pub(crate) fn while_name(used: &Use) -> String {
    format!("while {}", used.name)
}

/// A branch of a split, which any thread may walk. Its places have the names that they would have if the branches ran
/// one after the other, so the names do not depend on the order in which the branches run.
pub(crate) struct Branch<'w> {
    nodes: &'static [Node],
    numbering: Numbering,
    iterations: &'w [u32],
    bindings: &'w [&'static [Binding]],
    around: &'w [Around],
}

impl Branch<'_> {
    /// Walks the branch from its beginning until the end, or until the driver halts.
    pub(crate) fn walk<D: Driver>(&self, driver: &mut D) -> Result<(), D::Halt> {
        let (iterations, bindings) = (self.iterations.to_vec(), self.bindings.to_vec());
        let mut walk = Walk { driver, iterations, bindings, around: self.around.to_vec() };
        // A `break` cannot leave a branch.
        walk.nodes(self.nodes, &mut self.numbering.clone()).map(|_| ())
    }
}

enum Flowing {
    On,
    Broken,
}

/// Whether a loop continues.
enum Next {
    On,
    /// Continue with an iteration that a decider asked for.
    In(Around),
    Over,
}

struct Walk<'w, D> {
    driver: &'w mut D,
    iterations: Vec<u32>,
    bindings: Vec<&'static [Binding]>,
    around: Vec<Around>,
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
                let iterations = self.iterations.clone();
                let ways = Ways {
                    route: Route { arms, arm_of: *route },
                    numbering: &*numbering,
                    iterations: &iterations,
                };
                let (taken, place) = self.at(used, used.name.to_owned(), |driver, place| {
                    let taken = driver.choose(place, &choice, *subject, &ways)?;
                    Ok((taken, place.path.clone()))
                })?;
                let mut inside = numbering.clone();
                inside.skip_arms(&arms[..taken]);
                numbering.skip_arms(arms);
                self.around.push(Around::Match { choice, place, subject: *subject });
                let flowing = self.nodes(arms[taken].body, &mut inside);
                self.around.pop();
                return flowing;
            }
            Node::While { decider, used, negated, body } => {
                let name = numbering.number(while_name(used));
                let inside = numbering.clone();
                self.iterate(body, numbering, |walk| {
                    let iterations = walk.iterations.clone();
                    let rest = || {
                        let region = Region::new(body, inside.clone(), &iterations);
                        Region { repeats: Some(name.clone()), ..region }
                    };
                    walk.at(used, name.clone(), |driver, place| {
                        let more = driver.ask(place, decider, *negated, &rest)? != *negated;
                        let around = || Around::While { path: place.path.clone() };
                        Ok(if more { Next::In(around()) } else { Next::Over })
                    })
                })?;
            }
            Node::Loop(body) => self.iterate(body, numbering, |_| Ok(Next::On))?,
            Node::Split { branches, max } => {
                let mut ahead = Vec::with_capacity(branches.len());
                for nodes in *branches {
                    let (iterations, bindings) = (&*self.iterations, &*self.bindings);
                    let (numbering_here, around) = (numbering.clone(), &*self.around);
                    ahead.push(Branch { nodes, numbering: numbering_here, iterations, bindings, around });
                    numbering.skip(nodes);
                }
                self.driver.split(&ahead, *max)?;
            }
            Node::Break => return Ok(Flowing::Broken),
            Node::End(code, why) => return Err(self.driver.end(code, why)),
            Node::Fail(why) => return Err(self.driver.fail(why, &self.around)),
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
        mut next: impl FnMut(&mut Self) -> Result<Next, D::Halt>,
    ) -> Result<(), D::Halt> {
        self.iterations.push(0);
        let outside = self.around.len();
        let walked = loop {
            if let Some(iteration) = self.iterations.last_mut() {
                *iteration += 1;
            }
            match next(self) {
                Ok(Next::On) => {}
                Ok(Next::In(around)) => self.around.push(around),
                Ok(Next::Over) => break Ok(()),
                Err(halt) => break Err(halt),
            }
            let walked = self.nodes(body, &mut numbering.clone());
            self.around.truncate(outside);
            match walked {
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

    /// Appends the iterations of the surrounding loops to a name.
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

/// The names of the steps and nested jobs of a body, including those of its flows.
pub(super) fn names_of_places(nodes: &'static [Node]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    Numbering::default().pass(nodes, 0, &mut |name, _| {
        // Decisions and `stop!` are places as well, but not steps.
        if !name.contains(' ') && name.split('#').next() != Some(STOP) {
            names.insert(name.to_owned());
        }
    });
    names
}
