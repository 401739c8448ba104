//! Finds the component that a stack works for, and keeps only its part of the stack.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::frame::{Frame, Origin, Part};
use crate::definition::{JobInfo, StepInfo};
use crate::engine::{jobs_by_name, steps};

/// The prefix of the generated function that each step has.
const STEP: &str = "__step_";
/// Functions that the macros generate. They call the function of the component, or the framework.
const GENERATED: [&str; 9] =
    ["bind", "call", "in_frame", "listener", "main", "open", "processor", "reader", "writer"];
/// The methods in which a reader and a writer spend their time.
const READING: [&str; 3] = ["read", "read_batch", "detach"];
const WRITING: [&str; 5] = ["write", "arrange", "prepare", "seal", "finish"];
/// The label of the framework's functions.
pub(crate) const FRAMEWORK: &str = "framework";
/// The label of work outside steps.
pub(crate) const NO_STEP: &str = "(no step)";

/// The steps that stacks may work for.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    steps: Vec<Step>,
    crates: BTreeSet<&'static str>,
}

#[derive(Debug)]
struct Step {
    name: &'static str,
    reader: Option<&'static str>,
    writers: Vec<&'static str>,
    /// All of its components.
    components: Vec<&'static str>,
}

/// The part of a stack that works for a component.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Attributed {
    pub(crate) step: &'static str,
    /// `None` if the framework works for itself.
    pub(crate) component: Option<String>,
    /// The functions below the component, the outermost first.
    pub(crate) path: Vec<Arc<str>>,
    /// The innermost function of the user, whose own time includes the libraries that it calls; `None` if there is
    /// none below the component.
    pub(crate) own: Option<Arc<str>>,
}

impl Attributed {
    /// The function of a library that the innermost function of the user calls.
    pub(crate) fn called(&self) -> Option<&Arc<str>> {
        let own = self.own.as_ref().and_then(|own| self.path.iter().rposition(|function| function == own));
        let mut called = self.path[own.map_or(0, |own| own + 1)..].iter();
        called.find(|function| &***function != FRAMEWORK)
    }
}

/// The part of the run that a stack works for, according to the frames so far.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Worker {
    Nobody,
    Committing,
    Reader,
    Writer,
    Named(String),
}

impl Steps {
    /// The steps of jobs and of the jobs that are nested in them.
    pub(crate) fn of(jobs: &[&'static JobInfo]) -> Self {
        let jobs = jobs_by_name(jobs);
        let infos: Vec<_> = jobs.values().flat_map(|job| steps(job.flow)).collect();
        let ids = jobs.values().map(|job| job.id).chain(infos.iter().map(|step| step.id));
        let crates = ids.filter_map(|id| id.split("::").next()).collect();
        Self { steps: infos.into_iter().map(Step::of).collect(), crates }
    }

    /// Makes a value that knows these crates of the user, and no steps.
    #[cfg(all(test, feature = "profile-heap"))]
    pub(crate) fn of_crates(crates: &[&'static str]) -> Self {
        Self { steps: Vec::new(), crates: crates.iter().copied().collect() }
    }

    /// The crates of the jobs and steps: those of the user.
    pub(crate) fn crates(&self) -> Vec<&'static str> {
        self.crates.iter().copied().collect()
    }

    /// The position of a step among the known steps.
    pub(crate) fn place(&self, step: &str) -> usize {
        self.steps.iter().position(|known| known.name == step).unwrap_or(usize::MAX)
    }

    /// Finds the component that a stack works for; the outermost function comes first.
    pub(crate) fn attribute(&self, stack: &[Frame]) -> Attributed {
        let mut step: Option<&Step> = None;
        let mut worker = Worker::Nobody;
        let mut begin = 0;
        // Whether the framework has called a function of the user that calls the following frames.
        let mut in_function = false;
        for (depth, frame) in stack.iter().enumerate() {
            let works = match frame.origin {
                _ if frame.name().starts_with(STEP) => {
                    step = self.steps.iter().find(|step| Some(step.name) == frame.name().strip_prefix(STEP));
                    in_function = false;
                    Worker::Nobody
                }
                Origin::Framework(part) => {
                    in_function = false;
                    worker.entering(part)
                }
                Origin::User if in_function || frame.path.is_empty() => continue,
                // The function of the component may be inlined, so that only its marker shows.
                Origin::User if is_component(frame.implementor.as_deref(), step) => {
                    Worker::Named(frame.implementor.as_deref().unwrap_or_default().to_owned())
                }
                Origin::User => match self.called(frame, step, &worker) {
                    Some((works, of)) => {
                        step = of;
                        in_function = true;
                        works
                    }
                    None => continue,
                },
                Origin::Standard | Origin::Library => continue,
            };
            if works != worker {
                (worker, begin) = (works, depth);
            }
        }
        let component = worker.name(step);
        let (path, own) = shown(&stack[begin..], component.as_deref());
        Attributed { step: step.map_or(NO_STEP, |step| step.name), component, path, own }
    }

    /// Returns the worker whose function the framework calls, and the step; `None` if the function is generated.
    fn called<'s>(
        &'s self,
        frame: &Frame,
        step: Option<&'s Step>,
        worker: &Worker,
    ) -> Option<(Worker, Option<&'s Step>)> {
        let name = frame.name();
        let mut with_it = self.steps.iter().filter(|step| step.components.contains(&name));
        let known = match step {
            Some(step) => step.components.contains(&name).then_some(Some(step)),
            None => match (with_it.next(), with_it.next()) {
                (Some(only), None) => Some(Some(only)),
                (Some(_), Some(_)) => Some(None),
                (None, _) => None,
            },
        };
        if let Some(step) = known {
            return Some((Worker::Named(name.to_owned()), step));
        }
        let is_known = !matches!(worker, Worker::Nobody | Worker::Committing);
        let works = match name {
            // It is a helper of the current component, for example a method of the item.
            _ if is_known => worker.clone(),
            _ if READING.contains(&name) => Worker::Reader,
            _ if WRITING.contains(&name) => Worker::Writer,
            _ if frame.implementor.is_some() || GENERATED.contains(&name) => return None,
            _ => Worker::Named(name.to_owned()),
        };
        Some((works, step))
    }
}

/// Returns whether a type is the marker of a component of the step.
fn is_component(implementor: Option<&str>, step: Option<&Step>) -> bool {
    let known = implementor.zip(step);
    known.is_some_and(|(implementor, step)| step.components.contains(&implementor))
}

impl Step {
    fn of(step: &'static StepInfo) -> Self {
        let of_role =
            |role| step.components.iter().filter(move |part| part.role == role).map(|part| part.name);
        let mut writers: Vec<_> = of_role("writer").collect();
        writers.dedup();
        Self {
            name: step.name,
            reader: of_role("reader").next(),
            writers,
            components: step.components.iter().map(|part| part.name).collect(),
        }
    }
}

impl Worker {
    /// Returns the worker after the stack has entered a part of the framework.
    fn entering(&self, part: Part) -> Self {
        match (self, part) {
            (Self::Nobody | Self::Committing, Part::Readers) => Self::Reader,
            (Self::Nobody | Self::Committing, Part::Writers) => Self::Writer,
            (Self::Nobody, Part::Repository) => Self::Committing,
            _ => self.clone(),
        }
    }

    fn name(self, step: Option<&Step>) -> Option<String> {
        Some(match self {
            Self::Nobody => return None,
            Self::Committing => "committing".to_owned(),
            Self::Reader => step.and_then(|step| step.reader).unwrap_or("reading").to_owned(),
            Self::Writer => match step.map(|step| step.writers.as_slice()) {
                None | Some([]) => "writing".to_owned(),
                // Stacks of writers that are objects look alike, so name all writers of the step.
                Some(writers) => writers.join(" or "),
            },
            Self::Named(name) => name,
        })
    }
}

/// The functions as they are shown, and the innermost one of the user.
fn shown(stack: &[Frame], component: Option<&str>) -> (Vec<Arc<str>>, Option<Arc<str>>) {
    let mut path: Vec<Arc<str>> = Vec::new();
    let mut own = None;
    for frame in stack {
        let is_generated = frame.implementor.is_some() && GENERATED.contains(&frame.name());
        let is_plain = frame.is_glue() || is_generated || frame.name().starts_with(STEP);
        let label = match frame.origin {
            Origin::Framework(_) => FRAMEWORK.into(),
            _ if is_plain || frame.path.is_empty() => continue,
            Origin::User if path.is_empty() && component == Some(frame.name()) => continue,
            Origin::User => {
                own = Some(Arc::clone(&frame.path));
                Arc::clone(&frame.path)
            }
            _ => Arc::clone(&frame.path),
        };
        if path.last() != Some(&label) {
            path.push(label);
        }
    }
    (path, own)
}

#[cfg(test)]
mod tests;
