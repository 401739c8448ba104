//! Tests the operator with jobs that have no steps.

use std::collections::BTreeSet;

use super::*;
use crate::definition::{JobOptions, Launch, ParameterSpec, ParameterValue, Parameters, RUN_ID};
use crate::graph::{Node, Text};
use crate::repository::sqlite::SqliteRepository;
use crate::repository::{BatchStatus, ExecutionFilter};

const fn job(parameters: &'static [ParameterSpec], flow: &'static [Node]) -> JobInfo {
    JobInfo { id: "t::load", name: "load", doc: "", parameters, flow, options: JobOptions::DEFAULT }
}

const LOAD: &JobInfo = &job(&[ParameterSpec::of::<i64>("year", "")], &[Node::Stop(Text::plain("look"))]);
/// `LOAD` in a later version of the program, with another parameter.
const OTHER_PARAMETER: &JobInfo =
    &job(&[ParameterSpec::of::<Option<i64>>("month", "")], &[Node::Stop(Text::plain("look"))]);
/// `LOAD` in a later version of the program, with an additional parameter.
const ADDED_PARAMETER: &JobInfo = &job(
    &[
        ParameterSpec::of::<i64>("year", ""),
        ParameterSpec {
            default: Some(|| Some(ParameterValue::Long(1))),
            ..ParameterSpec::of::<i64>("month", "")
        },
    ],
    &[Node::Stop(Text::plain("look"))],
);
const EMPTY: &JobInfo = &job(&[], &[]);

fn operator(jobs: &[&'static JobInfo]) -> JobOperator {
    JobOperator::new(Arc::new(SqliteRepository::temporary().unwrap())).with_jobs(jobs)
}

fn year(year: i64) -> Launch {
    Launch { job: LOAD, parameters: Parameters::new().with("year", ParameterValue::Long(year)) }
}

#[test]
fn an_execution_is_restarted_with_the_parameters_it_had() {
    let operator = operator(&[LOAD]);
    let first = operator.start(year(2013)).unwrap();
    let second = operator.restart(first.execution).unwrap();
    assert_eq!(second.instance, first.instance);
    assert_eq!((first.status, second.status), (BatchStatus::Stopped, BatchStatus::Completed));
}

#[test]
fn a_job_removed_from_the_program_cannot_be_restarted() {
    let operator = operator(&[LOAD]);
    let first = operator.start(year(2013)).unwrap();
    let other = JobOperator { jobs: Vec::new(), ..operator };
    assert!(matches!(other.restart(first.execution), Err(OperatorError::UnknownJob { .. })));
}

#[test]
fn a_new_identifying_parameter_makes_another_instance_and_is_named() {
    let operator = operator(&[LOAD]);
    let first = operator.start(year(2013)).unwrap();
    let later = JobOperator { jobs: vec![ADDED_PARAMETER], ..operator };
    match later.restart(first.execution) {
        Err(OperatorError::OtherInstance { parameter, .. }) => assert_eq!(parameter, "month"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_parameter_removed_from_the_job_is_named() {
    let operator = operator(&[LOAD]);
    let first = operator.start(year(2013)).unwrap();
    let later = JobOperator { jobs: vec![OTHER_PARAMETER], ..operator };
    let error = later.restart(first.execution).unwrap_err();
    assert_eq!(
        error.to_string(),
        "execution 1 cannot be restarted: it had the parameter `year`, which job `load` no longer takes; finish the \
         instance with the program it began with, or start a new instance"
    );
}

#[test]
fn concurrent_next_runs_get_different_numbers() {
    let operator = operator(&[EMPTY]);
    let next = || operator.start_next(Launch { job: EMPTY, parameters: Parameters::new() });
    let instances: BTreeSet<_> = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..6).map(|_| scope.spawn(next)).collect();
        runs.into_iter().map(|run| run.join().unwrap().unwrap().instance).collect()
    });
    assert_eq!(instances.len(), 6);
}

#[test]
fn run_ids_end_at_the_greatest_number() {
    let operator = operator(&[EMPTY]);
    let last = Parameters::new().with(RUN_ID, ParameterValue::Long(i64::MAX));
    operator.start(Launch { job: EMPTY, parameters: last }).unwrap();
    let next = operator.start_next(Launch { job: EMPTY, parameters: Parameters::new() });
    assert!(matches!(next, Err(OperatorError::RunIdsUsedUp(_))), "{next:?}");
}

#[test]
fn wrong_parameters_leave_nothing_in_the_repository() {
    let operator = operator(&[LOAD]);
    operator.start_with("load", Parameters::new()).unwrap_err();
    assert_eq!(operator.executions(&ExecutionFilter::default()).unwrap(), []);
}

#[test]
fn details_say_what_an_execution_continues() {
    let operator = operator(&[LOAD]);
    let first = operator.start(year(2013)).unwrap().execution;
    operator.start(year(2014)).unwrap();
    let second = operator.restart(first).unwrap().execution;
    assert_eq!(operator.show(second).unwrap().continues, Some(first));
    assert_eq!(operator.show(first).unwrap().continues, None);
}

#[test]
fn a_filter_by_an_unknown_job_is_an_error_that_names_the_nearest() {
    let operator = operator(&[LOAD]);
    let filter = |job: &str| ExecutionFilter { job: Some(job.to_owned()), ..ExecutionFilter::default() };
    assert!(operator.executions(&filter("load")).unwrap().is_empty(), "it has not run yet");
    for error in
        [operator.executions(&filter("laod")).map(drop), operator.count_executions(&filter("laod")).map(drop)]
    {
        assert_eq!(error.unwrap_err().to_string(), "there is no job `laod`; did you mean `load`?");
    }
    operator.start(year(2013)).unwrap();
    let elsewhere = JobOperator { jobs: Vec::new(), ..operator };
    assert_eq!(elsewhere.executions(&filter("load")).unwrap().len(), 1, "a job of another program");
}
