//! Decides whether a step can continue from a checkpoint that an earlier form of the step committed.

use serde::{Deserialize, Serialize};

use crate::definition::{ComponentUse, NeedKind, StepInfo, StepKind, without_modules};
use crate::graph::Activity;

/// The properties of a step that its checkpoint depends on. They are stored when the step begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Form {
    of: ActivityKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reader: Option<Part>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    writer: Option<Part>,
    /// The stateful components with the types of their states, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    states: Vec<(String, String)>,
    /// The partitioner, empty if the reader makes the partitions; `None` if the input is read in one piece.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    partitions: Option<String>,
    /// The database in which the step's checkpoints are committed; `None` if that is the repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    database: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ActivityKind {
    Chunks,
    Tasklet,
    Job(String),
}

/// The readers or writers of a step: their names, and the kind of the reader or writer that they form together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Part {
    names: Vec<String>,
    kind: String,
}

/// The name under which the state of a tasklet is recorded. It does not depend on the function, which may be renamed.
const TASKLET: &str = "tasklet";

impl Form {
    /// The form of the activity at a place of a job.
    pub(crate) fn of(activity: Activity) -> Option<Self> {
        match activity {
            Activity::Step(step) => Some(Self::of_step(step)),
            Activity::Job(job) => Some(Self::bare(ActivityKind::Job(job.name.to_owned()))),
            Activity::Flow(_) | Activity::Decider(_) | Activity::Text(_) => None,
        }
    }

    fn bare(of: ActivityKind) -> Self {
        Self { of, reader: None, writer: None, states: Vec::new(), partitions: None, database: None }
    }

    fn of_step(step: &StepInfo) -> Self {
        let part = |role: &str, kind: String| Part { names: names(step, role), kind };
        let (reader, writer) = match step.kinds {
            Some(kinds) => {
                let kinds = kinds();
                (Some(part("reader", kinds.reader)), Some(part("writer", kinds.writer)))
            }
            None => (None, None),
        };
        let partitions = step.options.partitioning.map(|partitioning| {
            let made_by = names(step, "partitioner").into_iter().next();
            made_by.filter(|_| partitioning.has_partitioner).unwrap_or_default()
        });
        Self {
            reader,
            writer,
            states: states(step),
            partitions,
            database: step.other_database().map(|database| database.name.to_owned()),
            ..Self::bare(if step.kind == StepKind::Tasklet {
                ActivityKind::Tasklet
            } else {
                ActivityKind::Chunks
            })
        }
    }

    /// Encodes the form as it is stored.
    pub(crate) fn text(&self) -> String {
        serde_json::to_string(self).expect("strings and lists of strings can be serialised")
    }

    /// Decodes a stored form; `None` if this program does not know its format.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// Returns whether a step of this form commits outside the repository, which then does not see all of its commits.
    pub(crate) fn commits_elsewhere(&self) -> bool {
        self.database.is_some() || matches!(self.of, ActivityKind::Job(_))
    }

    /// The difference that prevents a step of the form `now` from continuing from a checkpoint of this form, as in
    /// "was begun with .., and has .. now".
    pub(crate) fn differs(&self, now: &Self) -> Option<String> {
        if self.of != now.of {
            return Some(format!("was begun as {}, and is {} now", self.of.in_words(), now.of.in_words()));
        }
        let changes = [
            (partitioned(self.partitions.as_deref()), partitioned(now.partitions.as_deref())),
            (part("reader", self.reader.as_ref()), part("reader", now.reader.as_ref())),
            (part("writer", self.writer.as_ref()), part("writer", now.writer.as_ref())),
            (self.states_in_words(), now.states_in_words()),
            (database(self.database.as_deref()), database(now.database.as_deref())),
        ];
        let (was, is) = changes.into_iter().find(|(was, is)| was != is)?;
        Some(format!("was begun with {was}, and has {is} now"))
    }

    fn states_in_words(&self) -> String {
        if self.states.is_empty() {
            return "no `#[state]`".to_owned();
        }
        let states: Vec<_> = self.states.iter().map(|(name, ty)| format!("`{ty}` of `{name}`")).collect();
        format!("the `#[state]` {}", states.join(" and "))
    }
}

impl ActivityKind {
    fn in_words(&self) -> String {
        match self {
            Self::Chunks => "a step with `chunk`".to_owned(),
            Self::Tasklet => "a tasklet".to_owned(),
            Self::Job(name) => format!("job `{name}`"),
        }
    }
}

fn part(role: &str, part: Option<&Part>) -> String {
    match part {
        None => format!("no {role}"),
        Some(Part { names, kind }) => format!("{role} `{}` ({kind})", names.join("`, `")),
    }
}

fn partitioned(made_by: Option<&str>) -> String {
    match made_by {
        None => "its input in one piece".to_owned(),
        Some("") => "its input in partitions that the reader makes".to_owned(),
        Some(partitioner) => format!("its input in partitions that `{partitioner}` makes"),
    }
}

fn database(name: Option<&str>) -> String {
    match name {
        None => "its checkpoints in the repository".to_owned(),
        Some(name) => format!("its checkpoints in database `{name}`"),
    }
}

fn names(step: &StepInfo, role: &str) -> Vec<String> {
    let of_role = step.components.iter().filter(|component| component.role == role);
    of_role.map(|component| component.name.to_owned()).collect()
}

fn states(step: &StepInfo) -> Vec<(String, String)> {
    let mut states: Vec<_> = step
        .components
        .iter()
        .filter_map(|component| state(component).map(|ty| (component, ty)))
        .map(|(component, ty)| {
            let name = if component.role == TASKLET { TASKLET } else { component.name };
            (name.to_owned(), without_modules(ty))
        })
        .collect();
    states.sort();
    states
}

/// The type of the state that a component keeps.
fn state(component: &ComponentUse) -> Option<&'static str> {
    component.needs.iter().find_map(|need| match need.kind {
        NeedKind::State(ty) => Some(ty),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(reader: &str, states: &[(&str, &str)]) -> Form {
        Form {
            reader: Some(Part { names: vec!["cities".to_owned()], kind: reader.to_owned() }),
            states: states.iter().map(|(name, ty)| ((*name).to_owned(), (*ty).to_owned())).collect(),
            ..Form::bare(ActivityKind::Chunks)
        }
    }

    #[test]
    fn a_form_comes_back_as_it_was_stored() {
        for form in
            [form("CsvReader", &[("dedupe", "Seen")]), Form::bare(ActivityKind::Job("import".to_owned()))]
        {
            assert_eq!(Form::parse(&form.text()), Some(form));
        }
    }

    #[test]
    fn the_first_difference_is_reported_with_both_sides() {
        let was = form("CsvReader", &[("dedupe", "Seen")]);
        let difference = |now: &Form| was.differs(now);
        assert_eq!(difference(&was), None);
        assert_eq!(
            difference(&form("JsonLinesReader", &[])).unwrap(),
            "was begun with reader `cities` (CsvReader), and has reader `cities` (JsonLinesReader) now"
        );
        assert_eq!(
            difference(&form("CsvReader", &[])).unwrap(),
            "was begun with the `#[state]` `Seen` of `dedupe`, and has no `#[state]` now"
        );
        assert_eq!(
            difference(&Form::bare(ActivityKind::Tasklet)).unwrap(),
            "was begun as a step with `chunk`, and is a tasklet now"
        );
        let parts = Form { partitions: Some("regions".to_owned()), ..was.clone() };
        assert_eq!(
            difference(&parts).unwrap(),
            "was begun with its input in one piece, and has its input in partitions that `regions` makes now"
        );
    }
}
