//! `recover`: ends the executions whose process is dead or has lost its lease.

use super::arguments::Globals;
use super::console::{Console, Environment, Stream};
use super::documents::Recovered;
use super::on_end::{self, Ended};
use super::output::{CLI, done};
use crate::frontend::json::Details;
use crate::frontend::refusal::Refusal;
use crate::observe::words;
use crate::operator::{ExecutionDetails, JobOperator};
use crate::repository::{JobExecution, OperationKind};

/// `recover`
pub(super) fn recover(
    operator: &JobOperator,
    command: Option<&str>,
    globals: &Globals,
    console: &Console,
) -> Result<(), Refusal> {
    let recovered = operator.recover()?;
    for execution in &recovered {
        operator.did(execution.id, OperationKind::Recover, CLI)?;
        run_command(command, &operator.show(execution.id)?, console.environment, &console.err);
    }
    done(&Recovered::of(&recovered), &text(&recovered), globals, console);
    Ok(())
}

/// Runs the command of `--on-end` for a recovered execution.
pub(super) fn run_command(
    command: Option<&str>,
    recovered: &ExecutionDetails,
    environment: Environment,
    err: &Stream,
) {
    let execution = &recovered.execution;
    let ended = Ended {
        job: &execution.instance.job,
        execution: Some(execution.id),
        status: execution.status.as_str(),
        exit_code: &execution.exit.code,
    };
    on_end::run_command(command, &ended, &Details::from(recovered), environment, err);
}

/// Reports the recovered executions.
fn text(executions: &[JobExecution]) -> String {
    if executions.is_empty() {
        return "nothing to recover: every running execution has a living owner".to_owned();
    }
    let lines = executions.iter().map(|execution| {
        format!(
            "execution {} of job {} lost its owner and can be restarted: `restart {}`",
            execution.id,
            words::line(&execution.instance.job, 100),
            execution.id
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}
