//! Finds the steps of a job whose names have changed since an instance recorded them.

use std::collections::{BTreeMap, BTreeSet};

use crate::definition::StepInfo;
use crate::engine::flow::steps::steps_by_name;
use crate::graph::Node;
use crate::repository::{JournalEntry, Renamed};

/// The current names of steps, by their earlier names.
#[derive(Debug, Default)]
pub(crate) struct Renames(BTreeMap<&'static str, CurrentName>);

#[derive(Debug)]
enum CurrentName {
    Step(&'static str),
    /// The step cannot be determined; this is the reason.
    Unclear(String),
}

/// The parts of the path of a step or of a `match` on it, such as `match load#2[3]`.
struct Parts<'p> {
    before: &'p str,
    name: &'p str,
    rest: &'p str,
}

fn parts(path: &str) -> Parts<'_> {
    let before = if path.starts_with(MATCH) { MATCH } else { "" };
    let rest = &path[before.len()..];
    let raw = if rest.starts_with("r#") { 2 } else { 0 };
    let end = rest[raw..].find(['#', '[', ':']).map_or(rest.len(), |end| raw + end);
    Parts { before, name: &rest[..end], rest: &rest[end..] }
}

const MATCH: &str = "match ";

/// The paths that a place had under the earlier names of its step.
pub(crate) fn earlier_paths(step: &StepInfo, path: &str) -> Vec<String> {
    let Parts { before, name, rest } = parts(path);
    let earlier = step.options.renamed_from.iter().filter(|earlier| earlier.is_of(name));
    earlier.map(|earlier| format!("{before}{}{rest}", earlier.name)).collect()
}

/// The name of the step in a path, without iterations.
pub(crate) fn name_in(path: &str) -> &str {
    parts(path).name
}

impl Renames {
    pub(crate) fn of(nodes: &'static [Node]) -> Self {
        let steps = steps_by_name(nodes);
        let mut claims: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (name, step) in &steps {
            for earlier in step.options.renamed_from.iter().filter(|earlier| earlier.is_of(name)) {
                claims.entry(earlier.name).or_default().insert(name);
            }
        }
        let current = |(earlier, claims): (&'static str, BTreeSet<&'static str>)| {
            let mut claims = claims.into_iter();
            let current = match (claims.next(), claims.next()) {
                _ if steps.contains_key(earlier) => CurrentName::Unclear(format!(
                    "the records of step `{earlier}` may belong to the step that has this name now, or to the one with `renamed_from = \"{earlier}\"`"
                )),
                (Some(one), Some(other)) => CurrentName::Unclear(format!(
                    "step `{earlier}` may be `{one}` or `{other}` now; say which of the two, as in `renamed_from = \"{earlier} as {one}\"`"
                )),
                (Some(one), None) => CurrentName::Step(one),
                (None, _) => return None,
            };
            Some((earlier, current))
        };
        Self(claims.into_iter().filter_map(current).collect())
    }

    /// The path with the current name of the step.
    ///
    /// # Errors
    /// When the step of an earlier name cannot be determined.
    pub(crate) fn path(&self, recorded: &str) -> Result<String, String> {
        let Parts { before, name, rest } = parts(recorded);
        match self.0.get(name) {
            None => Ok(recorded.to_owned()),
            Some(CurrentName::Step(now)) => Ok(format!("{before}{now}{rest}")),
            Some(CurrentName::Unclear(why)) => Err(why.clone()),
        }
    }

    /// The entry with the current path.
    pub(crate) fn entry(&self, entry: &JournalEntry) -> Result<JournalEntry, String> {
        Ok(JournalEntry { path: self.path(&entry.path)?, ..entry.clone() })
    }

    /// The renames that the records under these paths need.
    ///
    /// # Errors
    /// When there are records under the new name as well.
    pub(crate) fn needed<'p>(
        &self,
        recorded: impl IntoIterator<Item = &'p str>,
    ) -> Result<Vec<Renamed>, String> {
        let names: BTreeSet<&str> = recorded.into_iter().map(name_in).collect();
        let mut needed = Vec::new();
        for from in &names {
            let Some(CurrentName::Step(to)) = self.0.get(from) else { continue };
            if names.contains(to) || needed.iter().any(|renamed: &Renamed| renamed.to == *to) {
                return Err(format!("step `{to}` is recorded under several names, one of which is `{from}`"));
            }
            needed.push(Renamed { from: (*from).to_owned(), to: (*to).to_owned() });
        }
        Ok(needed)
    }
}
