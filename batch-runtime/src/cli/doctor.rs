//! `doctor`: prints what is wrong with a repository.

use super::arguments::Globals;
use super::console::Console;
use super::documents::Findings;
use super::output::done;
use crate::frontend::refusal::{Refusal, exit};
use crate::observe::words;
use crate::operator::{Finding, JobOperator};

/// `doctor`. Returns the exit code: 1 if something is wrong.
pub(super) fn doctor(operator: &JobOperator, globals: &Globals, console: &Console) -> Result<u8, Refusal> {
    let findings = operator.findings()?;
    let line = |finding: &Finding| words::line(&format!("{}: {}", finding.what, finding.remedy), 2_500);
    let text = if findings.is_empty() {
        "nothing is wrong".to_owned()
    } else {
        findings.iter().map(line).collect::<Vec<_>>().join("\n")
    };
    done(&Findings::of(&findings), &text, globals, console);
    Ok(if findings.is_empty() { exit::COMPLETED } else { exit::FAILED })
}
