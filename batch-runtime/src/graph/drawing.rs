//! Turns the body of a job into boxes and arrows, which the formats only have to print.

use super::status::{ExecutionProgress, Status};
use super::words::{details, split, title};
use super::{Activity, Node, Subject, Use};
use crate::definition::JobInfo;

/// A job as boxes and arrows.
pub(super) struct Drawing {
    /// The boxes, in the order of the body.
    pub(super) items: Vec<Item>,
    pub(super) arrows: Vec<Arrow>,
}

/// A box, or several in a frame.
pub(super) enum Item {
    Box { id: usize, shape: Shape, lines: Vec<String>, status: Option<Status> },
    Frame { id: usize, title: String, items: Vec<Item> },
}

/// The meaning of a box.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// The start or end of the job.
    Terminal,
    Step,
    Job,
    Decision,
    /// The start of a loop.
    Junction,
    /// The start of branches.
    Fork,
    /// The end of branches.
    Join,
}

/// An arrow from one box to another.
pub(super) struct Arrow {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) label: Option<String>,
}

/// An arrow whose target is not known yet.
#[derive(Clone)]
struct Loose {
    from: usize,
    label: Option<String>,
}

#[derive(Default)]
struct Pen<'s> {
    seen: Option<&'s ExecutionProgress>,
    arrows: Vec<Arrow>,
    next: usize,
    /// The arrows that leave the enclosing loops, the innermost last.
    breaks: Vec<Vec<Loose>>,
}

/// Draws a job, with the progress of one of its executions.
pub(super) fn draw(job: &JobInfo, seen: Option<&ExecutionProgress>) -> Drawing {
    let mut pen = Pen { seen, ..Pen::default() };
    let mut items = Vec::new();
    let begin = pen.put(&mut items, Shape::Terminal, vec![job.name.to_owned()], Vec::new());
    let ends = pen.nodes(job.flow, &mut items, vec![Loose { from: begin, label: None }]);
    if !ends.is_empty() {
        pen.put(&mut items, Shape::Terminal, vec!["COMPLETED".to_owned()], ends);
    }
    Drawing { items, arrows: pen.arrows }
}

impl Pen<'_> {
    /// Adds a box and ends the loose arrows at it.
    fn put(&mut self, items: &mut Vec<Item>, shape: Shape, lines: Vec<String>, loose: Vec<Loose>) -> usize {
        let id = self.number();
        items.push(Item::Box { id, shape, lines, status: None });
        self.tie(loose, id);
        id
    }

    fn number(&mut self) -> usize {
        self.next += 1;
        self.next - 1
    }

    fn tie(&mut self, loose: Vec<Loose>, to: usize) {
        self.arrows.extend(loose.into_iter().map(|Loose { from, label }| Arrow { from, to, label }));
    }

    fn nodes(&mut self, nodes: &[Node], items: &mut Vec<Item>, mut loose: Vec<Loose>) -> Vec<Loose> {
        for node in nodes {
            loose = self.node(node, items, loose);
        }
        loose
    }

    fn node(&mut self, node: &Node, items: &mut Vec<Item>, loose: Vec<Loose>) -> Vec<Loose> {
        match node {
            Node::Run(used) => match used.activity {
                Activity::Flow(flow) => {
                    let (id, mut inside) = (self.number(), Vec::new());
                    let ends = self.nodes(flow.nodes, &mut inside, loose);
                    items.push(Item::Frame { id, title: format!("flow {}", title(used)), items: inside });
                    ends
                }
                _ => vec![Loose { from: self.used(used, items, loose), label: None }],
            },
            Node::Match { subject, used, arms, .. } => {
                let from = match subject {
                    Subject::Decider(_) => self.put(items, Shape::Decision, vec![title(used)], loose),
                    Subject::Ended(_) | Subject::Value(_) => self.used(used, items, loose),
                };
                let mut ends = Vec::new();
                for arm in *arms {
                    let begin = vec![Loose { from, label: Some(arm.label.to_owned()) }];
                    ends.extend(self.nodes(arm.body, items, begin));
                }
                ends
            }
            Node::While { used, negated, body, .. } => {
                let from = self.put(items, Shape::Decision, vec![title(used)], loose);
                let (on, out) = if *negated { ("no", "yes") } else { ("yes", "no") };
                let arrow = |label: &str| Loose { from, label: Some(label.to_owned()) };
                self.breaks.push(vec![arrow(out)]);
                let again = self.nodes(body, items, vec![arrow(on)]);
                self.tie(again, from);
                self.breaks.pop().unwrap_or_default()
            }
            Node::Loop(body) => {
                let from = self.put(items, Shape::Junction, Vec::new(), loose);
                self.breaks.push(Vec::new());
                let again = self.nodes(body, items, vec![Loose { from, label: None }]);
                self.tie(again, from);
                self.breaks.pop().unwrap_or_default()
            }
            Node::Split { branches, max } => {
                let from = self.put(items, Shape::Fork, vec![split(*max)], loose);
                let mut ends = Vec::new();
                for branch in *branches {
                    ends.extend(self.nodes(branch, items, vec![Loose { from, label: None }]));
                }
                if ends.is_empty() {
                    return ends;
                }
                vec![Loose { from: self.put(items, Shape::Join, vec!["join".to_owned()], ends), label: None }]
            }
            Node::Break => {
                if let Some(innermost) = self.breaks.last_mut() {
                    innermost.extend(loose);
                }
                Vec::new()
            }
            Node::End(code, why) => {
                let lines = [*code, why.written].into_iter().filter(|line| !line.is_empty());
                self.put(items, Shape::Terminal, lines.map(str::to_owned).collect(), loose);
                Vec::new()
            }
            Node::Fail(why) => {
                self.put(items, Shape::Terminal, vec!["FAILED".to_owned(), why.written.to_owned()], loose);
                Vec::new()
            }
            Node::Stop(why) => {
                let from = self.put(
                    items,
                    Shape::Terminal,
                    vec!["STOPPED".to_owned(), why.written.to_owned()],
                    loose,
                );
                vec![Loose { from, label: Some("restart".to_owned()) }]
            }
        }
    }

    fn used(&mut self, used: &Use, items: &mut Vec<Item>, loose: Vec<Loose>) -> usize {
        let shape = if matches!(used.activity, Activity::Job(_)) { Shape::Job } else { Shape::Step };
        let (lines, status) = match self.seen {
            Some(seen) => seen.of_step(used),
            None => ([title(used)].into_iter().chain(details(&used.activity)).collect(), None),
        };
        let id = self.number();
        items.push(Item::Box { id, shape, lines, status });
        self.tie(loose, id);
        id
    }
}
