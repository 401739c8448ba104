//! Adds up samples by component and function: the functions that take the most time.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;

use super::attribution::{Attributed, FRAMEWORK, Steps};
use crate::observe::table::{Align, Table};
use crate::observe::words;

/// The maximum number of functions that are shown for each component.
const MOST: usize = 10;
/// A called function is named if it takes at least this share of the time of its caller, in percent.
const WORTH_NAMING: u64 = 25;

/// The components of a run with their functions, and how often samples found them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Hot {
    /// All samples of the run.
    samples: u64,
    /// The samples that found a component at work.
    in_components: u64,
    components: Vec<Part>,
}

/// A component, or the framework itself.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Part {
    step: &'static str,
    /// `null` for the work of the framework itself.
    component: Option<String>,
    samples: u64,
    /// The functions with the most samples.
    functions: Vec<HotFunction>,
}

/// A function with the samples of its own time. The own time includes the time of the libraries that the function
/// calls.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct HotFunction {
    function: String,
    samples: u64,
    /// The library function that takes most of this time, with its samples.
    mostly_in: Option<Within>,
}

/// A function that another one calls, with the samples of these calls.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Within {
    function: String,
    samples: u64,
}

/// The samples of functions, and of the functions of libraries that they call.
type Functions = HashMap<Arc<str>, (u64, HashMap<Arc<str>, u64>)>;

impl Hot {
    pub(crate) fn of(stacks: &[(Attributed, u64)], steps: &Steps) -> Self {
        let mut found: HashMap<(&'static str, Option<&str>), (u64, Functions)> = HashMap::new();
        for (stack, count) in stacks {
            let (samples, functions) = found.entry((stack.step, stack.component.as_deref())).or_default();
            *samples += count;
            let own = stack.own.clone().or_else(|| stack.component.as_deref().map(Arc::from));
            let own = own.unwrap_or_else(|| FRAMEWORK.into());
            let (samples, within) = functions.entry(Arc::clone(&own)).or_default();
            *samples += count;
            if let Some(called) = stack.called() {
                *within.entry(Arc::clone(called)).or_default() += count;
            }
        }
        let components = found.into_iter().map(|((step, component), (samples, functions))| Part {
            step,
            component: component.map(str::to_owned),
            samples,
            functions: hottest(functions),
        });
        let mut components: Vec<_> = components.collect();
        components.sort_by(|one, other| {
            let key = |part: &Part| (steps.place(part.step), std::cmp::Reverse(part.samples));
            key(one).cmp(&key(other)).then_with(|| one.component.cmp(&other.component))
        });
        let samples = stacks.iter().map(|(_, count)| count).sum();
        let without = components.iter().filter(|part| part.component.is_none()).map(|part| part.samples);
        let in_components = samples - without.sum::<u64>();
        Self { samples, in_components, components }
    }

    pub(crate) fn samples(&self) -> u64 {
        self.samples
    }

    /// Returns the table that a person reads.
    pub(crate) fn table(&self) -> String {
        let share = |samples: u64| percent(samples, self.samples);
        let mut table = Table::new(&[
            ("cpu time", Align::Left),
            ("component", Align::Left),
            ("function", Align::Left),
            ("share", Align::Right),
            ("mostly in", Align::Left),
        ]);
        let mut before = "";
        for part in &self.components {
            let step = if part.step == before { "" } else { part.step };
            before = part.step;
            let name = part.component.as_deref().unwrap_or(FRAMEWORK);
            table.row([step.to_owned(), name.to_owned(), String::new(), share(part.samples), String::new()]);
            // A function that takes all of the time would repeat the line above.
            let is_all =
                |function: &HotFunction| function.samples == part.samples && function.function == name;
            for function in &part.functions {
                if is_all(function) && function.mostly_in.is_none() {
                    continue;
                }
                let within = function.mostly_in.as_ref();
                let within = within.map(|within| format!("{} {}", share(within.samples), within.function));
                table.row([
                    String::new(),
                    String::new(),
                    function.function.clone(),
                    share(function.samples),
                    within.unwrap_or_default(),
                ]);
            }
        }
        let inside = percent(self.in_components, self.samples);
        format!("{table}{} samples, {inside} of them in components\n", words::count(self.samples))
    }
}

fn hottest(functions: Functions) -> Vec<HotFunction> {
    let mut hottest: Vec<_> = functions
        .into_iter()
        .map(|(function, (samples, within))| {
            let most = within
                .into_iter()
                .max_by(|(one, samples), (other, others)| samples.cmp(others).then_with(|| other.cmp(one)));
            let most = most.filter(|(_, within)| within * 100 >= samples * WORTH_NAMING);
            let mostly_in = most.map(|(name, samples)| Within { function: name.to_string(), samples });
            HotFunction { function: function.to_string(), samples, mostly_in }
        })
        .collect();
    hottest.sort_by(|one, other| {
        other.samples.cmp(&one.samples).then_with(|| one.function.cmp(&other.function))
    });
    hottest.truncate(MOST);
    hottest
}

/// A share in whole percent, rounded.
fn percent(part: u64, of: u64) -> String {
    format!("{} %", (part * 200 + of).checked_div(of * 2).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::{Attributed, Hot, Steps};

    fn stack(component: Option<&str>, path: &[&str], own: Option<&str>) -> Attributed {
        Attributed {
            step: "load",
            component: component.map(str::to_owned),
            path: path.iter().map(|name| (*name).into()).collect(),
            own: own.map(Into::into),
        }
    }

    #[test]
    fn a_function_has_the_time_of_the_libraries_that_it_calls() {
        let stacks = [
            (stack(Some("late"), &["parse"], Some("parse")), 30),
            (stack(Some("late"), &["parse", "find", "memchr"], Some("parse")), 20),
            (stack(Some("late"), &["parse", "memcpy"], Some("parse")), 10),
            (stack(Some("late"), &[], None), 20),
            (stack(Some("save"), &["sqlite3_step"], None), 15),
            (stack(None, &["framework"], None), 5),
        ];
        let table = "\
cpu time  component  function  share  mostly in
load      late                  80 %
                     parse      60 %  20 % find
                     late       20 %
          save                  15 %
                     save       15 %  15 % sqlite3_step
          framework              5 %
100 samples, 95 % of them in components
";
        assert_eq!(Hot::of(&stacks, &Steps::default()).table(), table);
    }

    #[test]
    fn ten_functions_of_a_component_are_shown() {
        let names: Vec<String> = (0..12).map(|number| format!("f{number:02}")).collect();
        let stacks: Vec<_> = names
            .iter()
            .zip(1..)
            .map(|(name, count)| (stack(Some("late"), &[name.as_str()], Some(name.as_str())), count))
            .collect();
        let table = Hot::of(&stacks, &Steps::default()).table();
        assert!(table.contains("f11") && table.contains("f02") && !table.contains("f01"), "{table}");
    }
}
