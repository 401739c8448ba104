//! Looks for unfinished files that instances have left, and that no restart will continue.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::Finding;
use crate::definition::{ParameterValue, path_of_text, resolved_path};
use crate::engine::writer_position;
use crate::observe::words;
use crate::operator::{JobOperator, OperatorError, details};
use crate::repository::{BatchStatus, ExecutionFilter, JobExecution, StoredParameter};
use crate::writers::{Tag, tag_of, tags_in};

/// The number of complete and abandoned executions that are looked at, newest first.
const LOOKED_AT: u32 = 1_000;
/// The number of files that a finding names.
const NAMED: usize = 3;

/// The unfinished files in each folder, by the tags in their names.
#[derive(Default)]
struct Folders(BTreeMap<PathBuf, Vec<(Tag, PathBuf)>>);

impl Folders {
    /// The unfinished files of a folder; none if it cannot be read.
    fn unfinished(&mut self, folder: &Path) -> &[(Tag, PathBuf)] {
        self.0.entry(folder.to_owned()).or_insert_with(|| {
            let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
            entries.filter_map(|entry| Some((tag_of(&entry.file_name())?, entry.path()))).collect()
        })
    }
}

impl JobOperator {
    /// The findings about the files of complete and abandoned instances. A file counts only if its name has a tag from
    /// a committed position of the instance. Tags differ between instances, so files of other instances do not count.
    /// The search covers only the folders that the parameters name, because a position holds no path.
    pub(super) fn findings_of_leftovers(&self) -> Result<Vec<Finding>, OperatorError> {
        let filter = ExecutionFilter {
            statuses: vec![BatchStatus::Completed, BatchStatus::Abandoned],
            limit: Some(LOOKED_AT),
            ..ExecutionFilter::default()
        };
        let (mut folders, mut findings) = (Folders::default(), Vec::new());
        for execution in self.repository.executions(&filter)? {
            let named = folders_of(&execution.parameters);
            let mut candidates = BTreeSet::new();
            for folder in &named {
                candidates.extend(folders.unfinished(folder).iter().cloned());
            }
            if candidates.is_empty() {
                continue;
            }
            let tags = self.tags_of_instance(&execution)?;
            let left: Vec<PathBuf> =
                candidates.into_iter().filter(|(tag, _)| tags.contains(tag)).map(|(_, path)| path).collect();
            findings.extend(finding(&execution, &left));
        }
        Ok(findings)
    }

    /// The tags of all files that the executions of the instance have committed to.
    fn tags_of_instance(&self, execution: &JobExecution) -> Result<BTreeSet<Tag>, OperatorError> {
        let mut tags = BTreeSet::new();
        for of_instance in details::of_instance(&*self.repository, execution)? {
            for step in self.repository.steps(of_instance.id)? {
                if let Some(position) = writer_position(&step.context) {
                    tags_in(&position, &mut tags);
                }
            }
        }
        Ok(tags)
    }
}

/// The folders that parameters name, and the parent folders of all paths that they name.
fn folders_of(parameters: &[StoredParameter]) -> BTreeSet<PathBuf> {
    let mut folders = BTreeSet::new();
    for parameter in parameters {
        let texts = match (&parameter.value, parameter.value.as_list()) {
            (_, Some(texts)) => texts,
            (ParameterValue::String(text), None) => Cow::from(std::slice::from_ref(text)),
            _ => Cow::default(),
        };
        // A path is stored as an absolute one, or as a URI.
        let texts = texts.iter().filter(|text| text.starts_with('/') || text.starts_with("file:"));
        for path in texts.filter_map(|text| path_of_text(text).ok()) {
            folders.extend(path.parent().map(Path::to_owned));
            // If the path has symbolic links, the unfinished file lies in the folder that they lead to.
            if let Ok(target) = resolved_path(&path) {
                folders.extend(target.parent().map(Path::to_owned));
            }
            if path.is_dir() {
                folders.insert(path);
            }
        }
    }
    folders
}

fn finding(execution: &JobExecution, left: &[PathBuf]) -> Option<Finding> {
    let first = left.first()?;
    let is = if execution.status == BatchStatus::Abandoned { "was abandoned" } else { "is complete" };
    let shown = |path: &PathBuf| words::line(&path.display().to_string(), 300);
    let (files, it) = if left.len() == 1 {
        (format!("an unfinished file of it is still there: {}", shown(first)), "it")
    } else {
        let named = left.iter().take(NAMED).map(shown).collect::<Vec<_>>().join(", ");
        let more = match left.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {} more", words::count(more as u64)),
        };
        (
            format!(
                "{} unfinished files of it are still there: {named}{more}",
                words::count(left.len() as u64)
            ),
            "them",
        )
    };
    Some(Finding {
        kind: "leftover",
        what: format!(
            "execution {} of job `{}` {is}, and {files}",
            execution.id,
            words::line(&execution.instance.job, 100)
        ),
        remedy: format!("no restart will continue {it}: delete {it} once you no longer need {it}"),
    })
}
