//! Queries, and the actions of people on executions.

use batch_runtime::repository::{
    BatchStatus, ExecutionFilter, InstanceFilter, LaunchRequest, OwnerState, RepositoryError,
    StoredParameter, job_key,
};
use batch_runtime::{Durability, ExecutionId, Parameter, ParameterValue, Parameters};

use crate::place::{Place, Repo};
use crate::support::*;

every_kind![
    executions_are_filtered_and_listed_newest_first,
    executions_and_instances_are_counted_and_listed_page_by_page,
    an_execution_is_read_as_it_was_launched,
    a_missing_execution_is_reported,
    the_last_run_id_is_the_greatest_identifying_one_of_the_job,
    only_a_running_execution_is_asked_to_stop,
    an_execution_is_abandoned_unless_its_owner_lives_or_it_is_complete,
    recovery_ends_dead_executions_and_leaves_live_ones,
    an_owner_counts_as_alive_until_its_lock_is_dropped,
    an_owner_that_has_ended_its_execution_does_not_count_as_dead,
    a_step_execution_remembers_the_form_of_its_step,
];

/// Four executions of three instances of two jobs.
fn several(repository: &Repo) {
    for (job, name) in [("load", "a"), ("load", "b"), ("rank", "a"), ("load", "a")] {
        let parameters = parameters(name);
        let launched = repository.launch(&LaunchRequest { job, ..request(&parameters) }).unwrap();
        fail(repository, launched.ownership);
    }
}

fn executions_are_filtered_and_listed_newest_first<P: Place>(place: &P) {
    let repository = place.open();
    several(&repository);
    let _running = repository.launch(&request(&parameters("c"))).unwrap();
    let all = ExecutionFilter::default();
    let ids = |filter: &ExecutionFilter| {
        let found = repository.executions(filter).unwrap();
        found.into_iter().map(|execution| execution.id.0).collect::<Vec<_>>()
    };
    assert_eq!(ids(&all), [5, 4, 3, 2, 1]);
    assert_eq!(ids(&ExecutionFilter { limit: Some(2), ..all.clone() }), [5, 4]);
    assert_eq!(ids(&ExecutionFilter { limit: Some(2), offset: 2, ..all.clone() }), [3, 2]);
    assert_eq!(ids(&ExecutionFilter { offset: 4, ..all.clone() }), [1]);
    assert_eq!(ids(&ExecutionFilter { job: Some("load".to_owned()), ..all.clone() }), [5, 4, 2, 1]);
    assert_eq!(ids(&ExecutionFilter { job: Some("none".to_owned()), ..all.clone() }), [0; 0]);
    let instance = Some(repository.execution(ExecutionId(1)).unwrap().instance.id);
    assert_eq!(ids(&ExecutionFilter { instance, ..all.clone() }), [4, 1]);
    assert_eq!(ids(&ExecutionFilter { running: true, ..all.clone() }), [5]);
    assert_eq!(ids(&ExecutionFilter { running: true, instance, ..all }), [0; 0]);
}

fn executions_and_instances_are_counted_and_listed_page_by_page<P: Place>(place: &P) {
    let repository = place.open();
    several(&repository);
    let load = || Some("load".to_owned());
    let of_load = ExecutionFilter { job: load(), limit: Some(1), offset: 1, ..ExecutionFilter::default() };
    assert_eq!(repository.count_executions(&of_load).unwrap(), 3, "whatever the page is");
    assert_eq!(repository.count_executions(&ExecutionFilter::default()).unwrap(), 4);
    let ids = |filter: &InstanceFilter| {
        let found = repository.instances(filter).unwrap();
        found.into_iter().map(|instance| (instance.job, instance.id.0)).collect::<Vec<_>>()
    };
    let all = InstanceFilter::default();
    assert_eq!(ids(&all), [("rank".to_owned(), 3), ("load".to_owned(), 2), ("load".to_owned(), 1)]);
    assert_eq!(ids(&InstanceFilter { job: load(), limit: Some(1), offset: 1 }), [("load".to_owned(), 1)]);
    assert_eq!(
        (repository.count_instances(None).unwrap(), repository.count_instances(Some("load")).unwrap()),
        (3, 2)
    );
    assert_eq!(repository.job_names().unwrap(), ["load", "rank"]);
}

fn an_execution_is_read_as_it_was_launched<P: Place>(place: &P) {
    let repository = place.open();
    let values = [
        ("a", ParameterValue::String("x".to_owned())),
        ("b", ParameterValue::Long(-7)),
        ("c", ParameterValue::Double(1e10)),
        ("d", ParameterValue::Boolean(true)),
        ("e", ParameterValue::Date(jiff::civil::date(2024, 1, 31))),
        ("f", ParameterValue::DateTime(jiff::civil::date(2024, 1, 31).at(8, 30, 0, 0))),
    ];
    let parameters =
        values.iter().fold(Parameters::new(), |all, (name, value)| all.with(*name, value.clone()));
    let before = repository.now().unwrap();
    let launched = repository.launch(&request(&parameters)).unwrap();
    let execution = repository.execution(launched.ownership.execution).unwrap();
    let stored =
        values.map(|(name, value)| StoredParameter { name: name.to_owned(), value, identifying: true });
    assert_eq!(execution.parameters, stored);
    assert_eq!((execution.instance.job.as_str(), execution.status), ("load", BatchStatus::Started));
    assert_eq!(execution.instance.key, job_key(&parameters));
    assert!(before.as_millisecond() <= execution.created.as_millisecond());
    assert!(execution.created <= repository.now().unwrap());
    assert_eq!((execution.started, execution.ended), (Some(execution.created), None));
    assert_eq!(execution.owner.unwrap().pid, std::process::id());
    assert_eq!((execution.epoch, execution.durability), (1, Durability::Process));
}

fn a_missing_execution_is_reported<P: Place>(place: &P) {
    let repository = place.open();
    let missing = ExecutionId(7);
    assert!(repository.steps(missing).unwrap().is_empty());
    assert!(repository.journal(missing).unwrap().is_empty());
    for result in [
        repository.execution(missing).map(drop),
        repository.request_stop(missing),
        repository.abandon(missing),
        repository.skipped_items(missing).map(drop),
    ] {
        assert!(matches!(result, Err(RepositoryError::NoSuchExecution(id)) if id == missing));
    }
}

fn the_last_run_id_is_the_greatest_identifying_one_of_the_job<P: Place>(place: &P) {
    let repository = place.open();
    assert_eq!(repository.last_run_id("load").unwrap(), None);
    let run = |job: &'static str, value: ParameterValue, identifying| {
        let mut parameters = Parameters::new().with("x", ParameterValue::String(format!("{value}")));
        parameters.insert("run.id", Parameter { value, identifying, secret: false });
        repository.launch(&LaunchRequest { job, ..request(&parameters) }).unwrap();
    };
    run("load", ParameterValue::Long(9), true);
    run("load", ParameterValue::Long(10), true);
    run("load", ParameterValue::Long(50), false);
    run("load", ParameterValue::String("60".to_owned()), true);
    run("rank", ParameterValue::Long(70), true);
    assert_eq!(repository.last_run_id("load").unwrap(), Some(10));
}

fn only_a_running_execution_is_asked_to_stop<P: Place>(place: &P) {
    let repository = place.open();
    let launched = launch(&repository);
    let id = launched.ownership.execution;
    for _ in 0..2 {
        repository.request_stop(id).unwrap();
        assert_eq!(repository.execution(id).unwrap().status, BatchStatus::Stopping);
    }
    repository.finish(launched.ownership, &ended(BatchStatus::Stopped, "STOPPED")).unwrap();
    let error = repository.request_stop(id).unwrap_err();
    assert!(matches!(error, RepositoryError::NotRunning { status: BatchStatus::Stopped, .. }), "{error}");
}

fn an_execution_is_abandoned_unless_its_owner_lives_or_it_is_complete<P: Place>(place: &P) {
    let repository = place.open();
    let launched = launch(&repository);
    let id = launched.ownership.execution;
    let error = repository.abandon(id).unwrap_err();
    assert!(matches!(error, RepositoryError::AlreadyRunning { .. }), "{error}");
    drop(launched.lock);
    repository.abandon(id).unwrap();
    let abandoned = repository.execution(id).unwrap();
    assert_eq!((abandoned.status, abandoned.exit.code.as_str()), (BatchStatus::Abandoned, "OWNER_LOST"));
    let recorded = repository.record(launched.ownership, &[passed("", "")], None);
    assert!(matches!(recorded, Err(RepositoryError::Fenced { .. })));
    let error = repository.abandon(id).unwrap_err();
    assert!(
        matches!(error, RepositoryError::AlreadyComplete { status: BatchStatus::Abandoned, .. }),
        "{error}"
    );
    let complete = repository.launch(&request(&parameters("b"))).unwrap();
    repository.finish(complete.ownership, &ended(BatchStatus::Completed, "COMPLETED")).unwrap();
    let error = repository.abandon(complete.ownership.execution).unwrap_err();
    assert!(
        matches!(error, RepositoryError::AlreadyComplete { status: BatchStatus::Completed, .. }),
        "{error}"
    );
}

fn recovery_ends_dead_executions_and_leaves_live_ones<P: Place>(place: &P) {
    let repository = place.open();
    let dead = launch(&repository);
    let done = begin_as(&repository, dead.ownership, &start("done")).unwrap();
    let finish = ended_step(BatchStatus::Completed, "COMPLETED");
    repository.finish_step(dead.ownership, done.id, &finish, None).unwrap();
    begin(&repository, dead.ownership);
    drop(dead.lock);
    let living = repository.launch(&request(&parameters("b"))).unwrap();
    assert_eq!(repository.recover().unwrap(), [dead.ownership.execution]);
    assert!(repository.recover().unwrap().is_empty());
    let lost = repository.execution(dead.ownership.execution).unwrap();
    assert_eq!((lost.status, lost.exit.code.as_str()), (BatchStatus::Failed, "OWNER_LOST"));
    let steps = repository.steps(lost.id).unwrap();
    let exits = steps.iter().map(|step| (step.status, step.exit.code.as_str())).collect::<Vec<_>>();
    assert_eq!(exits, [(BatchStatus::Completed, "COMPLETED"), (BatchStatus::Failed, "OWNER_LOST")]);
    assert_eq!(repository.execution(living.ownership.execution).unwrap().status, BatchStatus::Started);
    let again = launch(&repository);
    assert_eq!((again.restarted_from, again.recovered), (Some(lost.id), None));
}

fn an_owner_counts_as_alive_until_its_lock_is_dropped<P: Place>(place: &P) {
    let repository = place.open();
    let launched = launch(&repository);
    let execution = repository.execution(launched.ownership.execution).unwrap();
    for other in [&repository, &place.open()] {
        assert_eq!(other.owner_state(&execution).unwrap(), OwnerState::Alive);
    }
    drop(launched.lock);
    for other in [&repository, &place.open()] {
        assert_eq!(other.owner_state(&execution).unwrap(), OwnerState::Dead);
    }
}

fn an_owner_that_has_ended_its_execution_does_not_count_as_dead<P: Place>(place: &P) {
    let repository = place.open();
    let launched = launch(&repository);
    let as_running = repository.execution(launched.ownership.execution).unwrap();
    fail(&repository, launched.ownership);
    drop(launched.lock);
    assert_eq!(place.open().owner_state(&as_running).unwrap(), OwnerState::Unknown);
}

fn a_step_execution_remembers_the_form_of_its_step<P: Place>(place: &P) {
    let repository = place.open();
    let owner = launch(&repository).ownership;
    let formed = batch_runtime::repository::StepStart { form: Some("{\"chunk\":1}"), ..start("formed") };
    let step = begin_as(&repository, owner, &formed).unwrap();
    assert_eq!(repository.step_form(step.id).unwrap().as_deref(), Some("{\"chunk\":1}"));
    assert_eq!(repository.step_form(begin(&repository, owner).id).unwrap(), None);
}
