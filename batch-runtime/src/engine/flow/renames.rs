//! Finds the steps of a job that have other names now than in what is recorded of an instance.

use std::collections::{BTreeMap, BTreeSet};

use crate::definition::StepInfo;
use crate::engine::flow::walk::steps_by_name;
use crate::graph::Node;
use crate::repository::{JournalEntry, Renamed};

/// What became of the earlier names of a job's steps.
#[derive(Debug, Default)]
pub(crate) struct Renames(BTreeMap<&'static str, Heir>);

#[derive(Debug)]
enum Heir {
    Step(&'static str),
    /// Nobody can tell: why.
    Unclear(String),
}

/// A path is that of a step or of a `match` on it, with what stands behind the name: `match load#2[3]`.
struct Parts<'p> {
    before: &'p str,
    name: &'p str,
    behind: &'p str,
}

fn parts(path: &str) -> Parts<'_> {
    let before = if path.starts_with(MATCH) { MATCH } else { "" };
    let rest = &path[before.len()..];
    let raw = if rest.starts_with("r#") { 2 } else { 0 };
    let end = rest[raw..].find(['#', '[', ':']).map_or(rest.len(), |end| raw + end);
    Parts { before, name: &rest[..end], behind: &rest[end..] }
}

const MATCH: &str = "match ";

/// The paths that a place had under the earlier names of its step.
pub(crate) fn earlier_paths(step: &StepInfo, path: &str) -> Vec<String> {
    let Parts { before, name, behind } = parts(path);
    let earlier = step.options.renamed_from.iter().filter(|earlier| earlier.is_of(name));
    earlier.map(|earlier| format!("{before}{}{behind}", earlier.name)).collect()
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
        let heir = |(earlier, claims): (&'static str, BTreeSet<&'static str>)| {
            let mut claims = claims.into_iter();
            let heir = match (claims.next(), claims.next()) {
                _ if steps.contains_key(earlier) => Heir::Unclear(format!(
                    "what is recorded of step `{earlier}` may be of the step that has this name now, or of the one that is `renamed_from` it"
                )),
                (Some(one), Some(other)) => Heir::Unclear(format!(
                    "what was step `{earlier}` may be `{one}` or `{other}` now; say which of the two, as in `renamed_from = \"{earlier} as {one}\"`"
                )),
                (Some(one), None) => Heir::Step(one),
                (None, _) => return None,
            };
            Some((earlier, heir))
        };
        Self(claims.into_iter().filter_map(heir).collect())
    }

    /// The path as the job has it now.
    ///
    /// # Errors
    /// When it is that of an earlier name, and nobody can tell whose.
    pub(crate) fn path(&self, recorded: &str) -> Result<String, String> {
        let Parts { before, name, behind } = parts(recorded);
        match self.0.get(name) {
            None => Ok(recorded.to_owned()),
            Some(Heir::Step(now)) => Ok(format!("{before}{now}{behind}")),
            Some(Heir::Unclear(why)) => Err(why.clone()),
        }
    }

    /// The entry, with its path as the job has it now.
    pub(crate) fn entry(&self, entry: &JournalEntry) -> Result<JournalEntry, String> {
        Ok(JournalEntry { path: self.path(&entry.path)?, ..entry.clone() })
    }

    /// The renames that what is recorded under these paths needs.
    ///
    /// # Errors
    /// When something is recorded under the new name as well.
    pub(crate) fn needed<'p>(
        &self,
        recorded: impl IntoIterator<Item = &'p str>,
    ) -> Result<Vec<Renamed>, String> {
        let names: BTreeSet<&str> = recorded.into_iter().map(name_in).collect();
        let mut needed = Vec::new();
        for from in &names {
            let Some(Heir::Step(to)) = self.0.get(from) else { continue };
            if names.contains(to) || needed.iter().any(|renamed: &Renamed| renamed.to == *to) {
                return Err(format!("step `{to}` is recorded under several names, of which one is `{from}`"));
            }
            needed.push(Renamed { from: (*from).to_owned(), to: (*to).to_owned() });
        }
        Ok(needed)
    }
}
