//! Describes a job as an indented outline, which tells one version of a job from another.

use std::fmt::Write;

use super::words::{details, parameter, split, title};
use super::{Activity, Node, Subject, Text, Use};
use crate::definition::JobInfo;

/// The outline of a job, one line per statement. The repository stores it with each execution.
#[must_use]
pub fn render_text(job: &JobInfo) -> String {
    let parameters: Vec<String> = job.parameters.iter().map(parameter).collect();
    let mut outline = Outline(format!("job {}({})\n", job.name, parameters.join(", ")));
    outline.nodes(job.flow, 1);
    outline.0
}

struct Outline(String);

impl Outline {
    fn line(&mut self, depth: usize, text: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{:width$}{text}", "", width = depth * 2);
    }

    fn nodes(&mut self, nodes: &[Node], depth: usize) {
        for node in nodes {
            self.node(node, depth);
        }
    }

    fn node(&mut self, node: &Node, depth: usize) {
        match node {
            Node::Run(used) => match used.activity {
                Activity::Flow(flow) => {
                    self.line(depth, &format!("flow {}", title(used)));
                    self.nodes(flow.nodes, depth + 1);
                }
                _ => self.line(depth, &described(used)),
            },
            Node::Match { subject, used, arms, .. } => {
                let what = match subject {
                    Subject::Decider(_) => title(used),
                    Subject::Ended(_) | Subject::Value(_) => described(used),
                };
                self.line(depth, &format!("match {what}"));
                for arm in *arms {
                    self.line(depth + 1, &format!("{} =>", arm.label));
                    if arm.body.is_empty() {
                        self.line(depth + 2, "nothing");
                    }
                    self.nodes(arm.body, depth + 2);
                }
            }
            Node::While { used, negated, body, .. } => {
                self.line(depth, &format!("while {}{}", if *negated { "not " } else { "" }, title(used)));
                self.nodes(body, depth + 1);
            }
            Node::Loop(body) => {
                self.line(depth, "loop");
                self.nodes(body, depth + 1);
            }
            Node::Split { branches, max } => {
                self.line(depth, &split(*max));
                for branch in *branches {
                    self.line(depth + 1, "branch");
                    self.nodes(branch, depth + 2);
                }
            }
            Node::Break => self.line(depth, "break"),
            Node::End(code, Text { written: "", .. }) => self.line(depth, &format!("end {code}")),
            Node::End(code, why) => self.line(depth, &format!("end {code}: {}", why.written)),
            Node::Fail(why) => self.line(depth, &format!("fail: {}", why.written)),
            Node::Stop(why) => self.line(depth, &format!("stop: {}", why.written)),
        }
    }
}

fn described(used: &Use) -> String {
    let details = details(&used.activity);
    if details.is_empty() { title(used) } else { format!("{}: {}", title(used), details.join(", ")) }
}
