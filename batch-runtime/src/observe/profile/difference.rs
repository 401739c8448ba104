//! Compares two profiles by function.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::flame;
use super::folded::Folded;
use crate::observe::table::{Align, Table};

/// The maximum number of functions that are shown.
const MOST: usize = 10;

/// The functions whose shares of the CPU time changed most.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Difference {
    samples_before: u64,
    samples_after: u64,
    functions: Vec<Change>,
}

/// A function of a component with its shares of the samples, in percent.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Change {
    step: String,
    component: String,
    /// `null` for the component itself.
    function: Option<String>,
    /// The shares of the function's own time, without the functions that it calls.
    own_before: f64,
    own_after: f64,
    /// The shares of its time including the functions that it calls.
    all_before: f64,
    all_after: f64,
}

/// Step, component and function.
type Key = (String, String, Option<String>);

/// The samples of functions: in their own time, and including the functions that they call.
type Sums = BTreeMap<Key, (u64, u64)>;

/// Compares two files of folded stacks; the error names the file that is wrong.
pub(crate) fn of_files(before: (&str, &str), after: (&str, &str)) -> Result<(Difference, Vec<u8>), String> {
    let parsed = |(name, text): (&str, &str)| match Folded::parse(text) {
        Ok(stacks) if stacks.samples() == 0 => Err(format!("{name} has no samples")),
        Ok(stacks) => Ok(stacks),
        Err(error) => Err(format!("{name}: {error}")),
    };
    let (one, other) = (parsed(before)?, parsed(after)?);
    let svg = flame::difference(&format!("{} compared with {}", after.0, before.0), &one, &other)?;
    Ok((Difference::of(&one, &other), svg))
}

impl Difference {
    fn of(before: &Folded, after: &Folded) -> Self {
        let (samples_before, samples_after) = (before.samples(), after.samples());
        let (one, other) = (sums(before), sums(after));
        let share = |sum: u64, of: u64| rounded(sum, of);
        let keys: BTreeSet<&Key> = one.keys().chain(other.keys()).collect();
        let changes = keys.into_iter().map(|key| {
            let (own_before, all_before) = one.get(key).copied().unwrap_or_default();
            let (own_after, all_after) = other.get(key).copied().unwrap_or_default();
            let (step, component, function) = key.clone();
            Change {
                step,
                component,
                function,
                own_before: share(own_before, samples_before),
                own_after: share(own_after, samples_after),
                all_before: share(all_before, samples_before),
                all_after: share(all_after, samples_after),
            }
        });
        let mut functions: Vec<_> = changes.filter(|change| change.size() > (0.0, 0.0)).collect();
        functions
            .sort_by(|one, other| other.size().partial_cmp(&one.size()).unwrap_or(std::cmp::Ordering::Equal));
        functions.truncate(MOST);
        Self { samples_before, samples_after, functions }
    }

    /// Returns the table that a person reads.
    pub(crate) fn table(&self) -> String {
        if self.functions.is_empty() {
            return "no function's share of the CPU time has changed\n".to_owned();
        }
        let mut table = Table::new(&[
            ("step", Align::Left),
            ("component", Align::Left),
            ("function", Align::Left),
            ("own before", Align::Right),
            ("own after", Align::Right),
            ("change", Align::Right),
            ("all before", Align::Right),
            ("all after", Align::Right),
        ]);
        for change in &self.functions {
            let function = change.function.clone().unwrap_or_default();
            let share = |share: f64| format!("{share:.1} %");
            table.row([
                change.step.clone(),
                change.component.clone(),
                function,
                share(change.own_before),
                share(change.own_after),
                format!("{:+.1}", change.own_after - change.own_before),
                share(change.all_before),
                share(change.all_after),
            ]);
        }
        table.to_string()
    }
}

impl Change {
    /// The size of the change. The change in own time is compared first.
    fn size(&self) -> (f64, f64) {
        ((self.own_after - self.own_before).abs(), (self.all_after - self.all_before).abs())
    }
}

fn sums(stacks: &Folded) -> Sums {
    let mut sums = Sums::new();
    for (stack, count) in &stacks.0 {
        let part = |place: usize| stack.get(place).cloned().unwrap_or_default();
        let functions: BTreeSet<Option<&String>> =
            std::iter::once(None).chain(stack.iter().skip(2).map(Some)).collect();
        let innermost = stack.iter().skip(2).next_back();
        for function in functions {
            let (own, all) = sums.entry((part(0), part(1), function.cloned())).or_default();
            *all += count;
            if function == innermost {
                *own += count;
            }
        }
    }
    sums
}

/// A share in percent, with one decimal.
fn rounded(part: u64, of: u64) -> f64 {
    let tenths = (part * 2_000 + of).checked_div(of * 2).unwrap_or(0);
    f64::from(u32::try_from(tenths).unwrap_or(u32::MAX)) / 10.0
}

#[cfg(test)]
mod tests {
    use super::of_files;

    /// 100 samples, then 200: `parse` goes from 40 % to 10 %, `copy` from 10 % to 40 %, and `late` itself keeps its
    /// 50 %.
    const BEFORE: &str = "load;late 50\nload;late;parse 40\nload;late;parse;copy 10\n";
    const AFTER: &str = "load;late 100\nload;late;parse 20\nload;late;parse;copy 80\n";

    #[test]
    fn the_shares_of_two_profiles_are_compared() {
        let (difference, svg) = of_files(("a", BEFORE), ("b", AFTER)).unwrap();
        let table = "\
step  component  function  own before  own after  change  all before  all after
load  late       parse         40.0 %     10.0 %   -30.0      50.0 %     50.0 %
load  late       copy          10.0 %     40.0 %   +30.0      10.0 %     40.0 %
";
        // Of two changes of the same size in own time, the one with the larger change in total time comes first.
        let mut lines: Vec<_> = table.lines().collect();
        lines.swap(1, 2);
        assert_eq!(difference.table().lines().collect::<Vec<_>>(), lines);
        assert!(String::from_utf8(svg).unwrap().contains("b compared with a"));
    }

    #[test]
    fn profiles_with_the_same_shares_do_not_differ() {
        let twice = BEFORE.replace("50", "100").replace("40", "80").replace("10\n", "20\n");
        let (difference, _) = of_files(("a", BEFORE), ("b", &twice)).unwrap();
        assert_eq!(difference.table(), "no function's share of the CPU time has changed\n");
    }

    #[test]
    fn a_file_without_samples_is_refused_by_name() {
        assert_eq!(of_files(("a", BEFORE), ("b", "")).unwrap_err(), "b has no samples");
        assert!(
            of_files(("a", "x"), ("b", AFTER)).unwrap_err().starts_with("a: line 1 is not a folded stack")
        );
    }
}
