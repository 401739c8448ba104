//! The strings in a drawing: names, options and parameters of activities.

use crate::definition::{Binding, BoundTo, OPTION, ParameterSpec, ParameterValue, StepInfo, StepKind};
use crate::graph::{Activity, Use};
use crate::observe::words::count;

/// `load_eu = load(region = "eu")`: the name, and the activity if its own name differs.
pub(super) fn title(used: &Use) -> String {
    let own = used.activity.name();
    let bound = bindings(used.bindings);
    if used.name == own { format!("{own}{bound}") } else { format!("{} = {own}{bound}", used.name) }
}

fn bindings(bindings: &[Binding]) -> String {
    if bindings.is_empty() {
        return String::new();
    }
    let each: Vec<String> = bindings.iter().map(binding).collect();
    format!("({})", each.join(", "))
}

fn binding(binding: &Binding) -> String {
    let to = match binding.to {
        BoundTo::Parameter(name) => name.to_owned(),
        BoundTo::Constant { value, .. } => value().as_ref().map_or_else(|| "None".to_owned(), constant),
    };
    format!("{} = {to}", binding.argument)
}

fn constant(value: &ParameterValue) -> String {
    match value {
        ParameterValue::String(text) => format!("{text:?}"),
        other => other.to_string(),
    }
}

/// The details of an activity, one per line: components, chunk size, limits.
pub(super) fn details(activity: &Activity) -> Vec<String> {
    match activity {
        Activity::Step(step) => step_details(step),
        Activity::Flow(_) | Activity::Decider(_) | Activity::Text(_) => Vec::new(),
        Activity::Job(job) => vec![format!("job {}", job.name)],
    }
}

fn step_details(step: &StepInfo) -> Vec<String> {
    let mut lines = Vec::new();
    match step.kind {
        StepKind::Tasklet => lines.push("tasklet".to_owned()),
        StepKind::Chunk => {
            let pipe: Vec<String> = step
                .components
                .iter()
                .filter(|component| component.role != OPTION)
                .map(|component| {
                    format!("{} {}{}", component.role, component.name, bindings(component.bindings))
                })
                .collect();
            lines.push(pipe.join(" | "));
            lines.push(match (step.options.sized_by.chunk, step.options.chunk) {
                (Some(parameter), _) => format!("chunks of `{parameter}` items"),
                (None, 1) => "chunks of 1 item".to_owned(),
                (None, items) => format!("chunks of {} items", count(items as u64)),
            });
        }
    }
    if let Some(starts) = step.options.start_limit {
        lines.push(match starts {
            1 => "started at most once".to_owned(),
            starts => format!("started at most {starts} times"),
        });
    }
    if step.options.allow_start_if_complete {
        lines.push("run again by every restart".to_owned());
    }
    lines
}

/// The title of a split.
pub(super) fn split(max: Option<u32>) -> String {
    max.map_or_else(|| "split".to_owned(), |max| format!("split, {max} at a time"))
}

/// `input: PathBuf`, with the options of the parameter.
pub(super) fn parameter(spec: &ParameterSpec) -> String {
    let mut text = format!("{}: {}", spec.name, spec.ty);
    if let Some(value) = spec.default_value() {
        text.push_str(" = ");
        text.push_str(&constant(&value));
    }
    if spec.secret {
        text.push_str(" (secret)");
    } else if !spec.identifying {
        text.push_str(" (not identifying)");
    }
    text
}

/// The details of an activity in short lines, one for each component.
pub(super) fn card(activity: &Activity) -> Vec<String> {
    let Activity::Step(step) = activity else { return details(activity) };
    if step.kind == StepKind::Tasklet {
        return details(activity);
    }
    let components: Vec<_> = step.components.iter().filter(|component| component.role != OPTION).collect();
    let longest = components.iter().map(|component| component.role.len()).max().unwrap_or(0);
    let lines = components.into_iter().map(|component| {
        format!("{:longest$}  {}{}", component.role, component.name, bindings(component.bindings))
    });
    // The first of the details is the pipe.
    lines.chain(details(activity).into_iter().skip(1)).collect()
}
