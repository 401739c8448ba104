//! Queries, and the actions of people on executions.

use super::*;
use crate::repository::StoredParameter;

#[test]
fn executions_are_filtered_and_listed_newest_first() {
    let repository = SqliteRepository::temporary().unwrap();
    for (job, name) in [("load", "a"), ("load", "b"), ("rank", "a"), ("load", "a")] {
        let parameters = parameters(name);
        let launched = repository.launch(&LaunchRequest { job, ..request(&parameters) }).unwrap();
        fail(&repository, launched.ownership);
    }
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

#[test]
fn executions_and_instances_are_counted_and_listed_page_by_page() {
    let repository = SqliteRepository::temporary().unwrap();
    for (job, name) in [("load", "a"), ("load", "b"), ("rank", "a"), ("load", "a")] {
        let parameters = parameters(name);
        let launched = repository.launch(&LaunchRequest { job, ..request(&parameters) }).unwrap();
        fail(&repository, launched.ownership);
    }
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

#[test]
fn an_execution_is_read_as_it_was_launched() {
    let folder = Folder::new();
    let clock = Hands::at("2024-01-31T08:30:00.123Z");
    let repository = SqliteOptions::new().clock(clock).open(folder.file()).unwrap();
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
    let launched = repository.launch(&request(&parameters)).unwrap();
    let execution = repository.execution(launched.ownership.execution).unwrap();
    let stored =
        values.map(|(name, value)| StoredParameter { name: name.to_owned(), value, identifying: true });
    assert_eq!(execution.parameters, stored);
    assert_eq!((execution.instance.job.as_str(), execution.status), ("load", BatchStatus::Started));
    assert_eq!(execution.instance.key, crate::repository::job_key(&parameters));
    let time: Timestamp = "2024-01-31T08:30:00.123Z".parse().unwrap();
    assert_eq!((execution.created, execution.started, execution.ended), (time, Some(time), None));
    assert_eq!(execution.owner.unwrap().pid, std::process::id());
    assert_eq!((execution.epoch, execution.durability), (1, Durability::Process));
}

#[test]
fn a_missing_execution_is_reported() {
    let repository = SqliteRepository::temporary().unwrap();
    let missing = ExecutionId(7);
    assert!(repository.steps(missing).unwrap().is_empty());
    for result in [
        repository.execution(missing).map(drop),
        repository.request_stop(missing),
        repository.abandon(missing),
    ] {
        assert!(matches!(result, Err(RepositoryError::NoSuchExecution(id)) if id == missing));
    }
}

#[test]
fn the_last_run_id_is_the_greatest_identifying_one_of_the_job() {
    let repository = SqliteRepository::temporary().unwrap();
    assert_eq!(repository.last_run_id("load").unwrap(), None);
    let run = |job: &'static str, value: ParameterValue, identifying| {
        let mut parameters = Parameters::new().with("x", ParameterValue::String(format!("{value}")));
        parameters.insert("run.id", crate::Parameter { value, identifying, secret: false });
        repository.launch(&LaunchRequest { job, ..request(&parameters) }).unwrap();
    };
    run("load", ParameterValue::Long(9), true);
    run("load", ParameterValue::Long(10), true);
    run("load", ParameterValue::Long(50), false);
    run("load", ParameterValue::String("60".to_owned()), true);
    run("rank", ParameterValue::Long(70), true);
    assert_eq!(repository.last_run_id("load").unwrap(), Some(10));
}

#[test]
fn only_a_running_execution_is_asked_to_stop() {
    let repository = SqliteRepository::temporary().unwrap();
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

#[test]
fn an_execution_is_abandoned_unless_its_owner_lives_or_it_is_complete() {
    let repository = SqliteRepository::temporary().unwrap();
    let launched = launch(&repository);
    let id = launched.ownership.execution;
    let error = repository.abandon(id).unwrap_err();
    assert!(matches!(error, RepositoryError::AlreadyRunning { .. }), "{error}");
    drop(launched.lock);
    repository.abandon(id).unwrap();
    let abandoned = repository.execution(id).unwrap();
    assert_eq!((abandoned.status, abandoned.exit.code.as_str()), (BatchStatus::Abandoned, "OWNER_LOST"));
    assert!(matches!(
        repository.record(
            launched.ownership,
            &[JournalEntry { path: String::new(), outcome: String::new(), exit: None, output: None }]
        ),
        Err(RepositoryError::Fenced { .. })
    ));
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

#[test]
fn recovery_ends_dead_executions_and_leaves_live_ones() {
    let repository = SqliteRepository::temporary().unwrap();
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
