//! Lists the parameters that an activity asks for, by the names that they have where the activity is used. The search
//! follows the bindings inside the activity; an argument that is bound to a constant asks for nothing.

use crate::definition::{Binding, BoundTo, Need, NeedKind, OPTION, Of, TypeName};
use crate::graph::{Activity, Arm, Node, Use};

use super::message::same;

/// A parameter that an activity asks for.
#[expect(clippy::struct_excessive_bools, reason = "each is a separate property")]
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    /// The name of the parameter where the activity is used.
    pub(super) name: &'static str,
    /// The type.
    pub(super) ty: TypeName,
    /// The component that asks: "reader `flights`"; empty for the step itself.
    pub(super) by: &'static str,
    /// The kind of activity that contains the component: "step".
    pub(super) noun: &'static str,
    /// The name of that activity.
    pub(super) user: &'static str,
    /// True if it must be given. A nested job may have a default for it.
    pub(super) required: bool,
    /// True if it is looked up in the job itself, past all bindings, as a resource's parameters are.
    pub(super) past_bindings: bool,
    /// True if it is the size of a step, which must be at least 1.
    pub(super) size: bool,
    /// True if it must be a secret, because the nested job that asks for it keeps it secret.
    pub(super) secret: bool,
}

/// The bindings around a need, outermost first.
#[derive(Clone, Copy)]
struct Around {
    levels: [&'static [Binding]; MAX_DEPTH],
    depth: usize,
}

/// Flows may be nested, but bindings nested deeper than this are not checked.
const MAX_DEPTH: usize = 8;

impl Around {
    const NOTHING: Self = Self { levels: [&[]; MAX_DEPTH], depth: 0 };

    const fn and(mut self, bindings: &'static [Binding]) -> Self {
        if !bindings.is_empty() && self.depth < MAX_DEPTH {
            self.levels[self.depth] = bindings;
            self.depth += 1;
        }
        self
    }

    /// The name outside of all bindings; `None` if a constant is bound.
    const fn outer_name(&self, mut name: &'static str) -> Option<&'static str> {
        let mut level = self.depth;
        while level > 0 {
            level -= 1;
            if let Some(binding) = bound(self.levels[level], name) {
                match binding.to {
                    BoundTo::Parameter(outer) => name = outer,
                    BoundTo::Constant { .. } => return None,
                }
            }
        }
        Some(name)
    }
}

/// The binding of the argument.
pub(super) const fn bound(bindings: &'static [Binding], argument: &str) -> Option<&'static Binding> {
    let mut at = 0;
    while at < bindings.len() {
        if same(bindings[at].argument, argument) {
            return Some(&bindings[at]);
        }
        at += 1;
    }
    None
}

/// A search that passes over `before` needs and stops at the next one.
struct Search {
    before: usize,
    /// Counts only needs that this parameter may serve.
    serves: Option<&'static str>,
    /// True if the current component is an option of the step.
    size: bool,
}

impl Search {
    /// Searches for the need after `before` others.
    const fn after(before: usize) -> Self {
        Self { before, serves: None, size: false }
    }

    const fn found(&mut self, asked: Asked) -> Option<Asked> {
        if let Some(name) = self.serves
            && !same(name, asked.name)
        {
            return None;
        }
        if self.before == 0 {
            Some(asked)
        } else {
            self.before -= 1;
            None
        }
    }

    const fn activity(&mut self, activity: &Activity, user: &'static str, around: Around) -> Option<Asked> {
        match activity {
            Activity::Step(step) => {
                let mut at = 0;
                while at < step.components.len() {
                    let component = &step.components[at];
                    let is_step = same(component.role, "tasklet");
                    self.size = same(component.role, OPTION);
                    let asked = self.needs(
                        component.needs,
                        is_step,
                        "step",
                        user,
                        around.and(component.bindings),
                        false,
                    );
                    self.size = false;
                    if asked.is_some() {
                        return asked;
                    }
                    at += 1;
                }
                None
            }
            Activity::Decider(decider) => self.needs(decider.needs, true, "decider", user, around, false),
            Activity::Text(text) => self.needs(text.needs, true, "text of", user, around, false),
            Activity::Flow(flow) => self.nodes(flow.nodes, around),
            Activity::Job(job) => {
                let mut at = 0;
                while at < job.parameters.len() {
                    let parameter = &job.parameters[at];
                    if let Some(name) = around.outer_name(parameter.name) {
                        let asked = self.found(Asked {
                            name,
                            ty: parameter.ty,
                            by: "",
                            noun: "job",
                            user,
                            required: parameter.default.is_none() && !parameter.optional,
                            past_bindings: false,
                            size: false,
                            secret: parameter.secret,
                        });
                        if asked.is_some() {
                            return asked;
                        }
                    }
                    at += 1;
                }
                None
            }
        }
    }

    const fn needs(
        &mut self,
        needs: &'static [Need],
        is_user: bool,
        noun: &'static str,
        user: &'static str,
        around: Around,
        past_bindings: bool,
    ) -> Option<Asked> {
        let mut at = 0;
        while at < needs.len() {
            let need = &needs[at];
            let asked = match need.kind {
                NeedKind::Parameter(ty) => match around.outer_name(need.name) {
                    Some(name) => self.found(Asked {
                        name,
                        ty,
                        by: if is_user { "" } else { need.asked_by },
                        noun,
                        user,
                        required: true,
                        past_bindings,
                        size: self.size,
                        secret: false,
                    }),
                    None => None,
                },
                NeedKind::Resource(inner) => self.needs(inner, false, noun, user, Around::NOTHING, true),
                NeedKind::Transaction(Of::Named(database)) | NeedKind::Connection(Of::Named(database)) => {
                    self.needs(database.needs, false, noun, user, Around::NOTHING, true)
                }
                // With the job's context, a component may look up any parameter.
                NeedKind::JobContext => match self.serves {
                    Some(name) => self.found(Asked {
                        name,
                        ty: TypeName::plain(""),
                        by: "",
                        noun,
                        user,
                        required: false,
                        past_bindings: true,
                        size: false,
                        secret: false,
                    }),
                    None => None,
                },
                NeedKind::Transaction(Of::Own(_))
                | NeedKind::Connection(Of::Own(_))
                | NeedKind::Output { .. }
                | NeedKind::Partition
                | NeedKind::Ahead
                | NeedKind::Keeps(_)
                | NeedKind::State(_)
                | NeedKind::Hidden => None,
            };
            if asked.is_some() {
                return asked;
            }
            at += 1;
        }
        None
    }

    const fn used(&mut self, used: &'static Use, around: Around) -> Option<Asked> {
        self.activity(&used.activity, used.name, around.and(used.bindings))
    }

    const fn nodes(&mut self, nodes: &'static [Node], around: Around) -> Option<Asked> {
        let mut at = 0;
        while at < nodes.len() {
            let asked = match &nodes[at] {
                Node::Run(used) => self.used(used, around),
                Node::Match { used, arms, .. } => match self.used(used, around) {
                    Some(asked) => Some(asked),
                    None => self.arms(arms, around),
                },
                Node::While { used, body, .. } => match self.used(used, around) {
                    Some(asked) => Some(asked),
                    None => self.nodes(body, around),
                },
                Node::Loop(body) => self.nodes(body, around),
                Node::Split { branches, .. } => self.branches(branches, around),
                Node::End(_, text) | Node::Fail(text) | Node::Stop(text) => match text.values {
                    Some(used) => self.used(used, around),
                    None => None,
                },
                Node::Break => None,
            };
            if asked.is_some() {
                return asked;
            }
            at += 1;
        }
        None
    }

    const fn branches(&mut self, branches: &'static [&'static [Node]], around: Around) -> Option<Asked> {
        let mut at = 0;
        while at < branches.len() {
            let asked = self.nodes(branches[at], around);
            if asked.is_some() {
                return asked;
            }
            at += 1;
        }
        None
    }

    const fn arms(&mut self, arms: &'static [Arm], around: Around) -> Option<Asked> {
        let mut at = 0;
        while at < arms.len() {
            let asked = self.nodes(arms[at].body, around);
            if asked.is_some() {
                return asked;
            }
            at += 1;
        }
        None
    }
}

/// The parameter that a listener of the job asks for, after `before` others.
#[must_use]
pub(super) const fn asked_by_listener(
    name: &'static str,
    needs: &'static [Need],
    before: usize,
) -> Option<Asked> {
    Search::after(before).needs(needs, true, "listener", name, Around::NOTHING, true)
}

/// The parameter that the body asks for, after `before` others, by its name in the job.
pub(super) const fn asked_in(nodes: &'static [Node], before: usize) -> Option<Asked> {
    Search::after(before).nodes(nodes, Around::NOTHING)
}

/// Returns whether anything in the body asks for the parameter of that name, or for a way to look it up.
#[must_use]
pub(super) const fn is_asked_for(nodes: &'static [Node], name: &'static str) -> bool {
    Search { serves: Some(name), ..Search::after(0) }.nodes(nodes, Around::NOTHING).is_some()
}

/// Returns whether a listener of the job asks for the parameter of that name, or for a way to look it up.
#[must_use]
pub(super) const fn is_asked_for_by(needs: &'static [Need], name: &'static str) -> bool {
    let search = &mut Search { serves: Some(name), ..Search::after(0) };
    search.needs(needs, true, "listener", "", Around::NOTHING, true).is_some()
}

/// The parameters of the job that set sizes of its steps, each with the size that it sets.
pub(crate) fn sizes(nodes: &'static [Node]) -> impl Iterator<Item = (&'static str, String)> {
    let each = (0..).map_while(move |before| asked_in(nodes, before));
    each.filter(|asked| asked.size)
        .map(|asked| (asked.name, format!("{} of step `{}`", asked.by, asked.user)))
}

/// The parameter that `used` asks for, after `before` others. Its name is the one that the bindings of `used` refer to.
#[must_use]
pub(super) const fn asked(used: &Use, before: usize) -> Option<Asked> {
    Search::after(before).activity(&used.activity, used.name, Around::NOTHING)
}
