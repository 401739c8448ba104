//! Identity and launch.

use std::sync::{Barrier, Mutex};

use batch_runtime::repository::{
    BatchStatus, ExecutionFilter, ExecutionFinish, ExitStatus, JournalEntry, LaunchRequest, Recovery,
    RepositoryError, SoFar,
};
use batch_runtime::{ExecutionId, Parameter, ParameterValue, Parameters};

use crate::place::{Place, Repo, timeless};
use crate::support::*;

every_kind![
    a_launch_writes_the_rows_that_spring_batch_reads,
    the_sequences_hold_the_last_number_given,
    a_running_instance_refuses_a_second_launch,
    an_execution_whose_owner_is_gone_is_taken_over,
    an_execution_whose_owner_has_closed_its_repository_is_taken_over,
    refusals_come_in_the_order_of_the_contract_and_write_nothing,
    a_restart_inherits_journal_graph_and_context,
    other_parameters_are_another_instance,
    an_exclusive_job_has_one_running_execution_whatever_the_parameters,
    of_launches_of_an_exclusive_job_that_race_one_wins,
    the_epoch_rises_with_every_launch_and_takeover,
    an_owner_may_live_after_a_takeover_by_force_until_it_lets_go,
    strict_never_takes_over,
    a_crash_loop_ends_until_somebody_forces_the_launch,
    a_death_after_a_commit_is_not_a_crash_loop,
    of_launches_that_race_one_wins,
    two_running_executions_of_an_instance_are_impossible_for_any_program,
    an_execution_that_another_framework_runs_is_not_taken_over,
    every_write_of_the_row_raises_its_version,
    the_end_of_an_execution_is_written_as_spring_batch_reads_it,
];

fn a_launch_writes_the_rows_that_spring_batch_reads<P: Place>(place: &P) {
    let repository = place.open();
    let mut parameters = Parameters::new().with("run.id", ParameterValue::Long(1));
    let hidden = |value: &str, identifying, secret| Parameter {
        value: ParameterValue::String(value.to_owned()),
        identifying,
        secret,
    };
    parameters.insert("note", hidden("n", false, false));
    parameters.insert("password", hidden("s3cret", false, true));
    let launched = repository.launch(&request(&parameters)).unwrap();

    assert_eq!(place.rows("SELECT * FROM BATCH_JOB_INSTANCE"), ["1|0|load|c10c24e08259063ee40f28b6aa617f12"]);
    assert_eq!(
        timeless(&place.rows("SELECT * FROM BATCH_JOB_EXECUTION")),
        ["1|0|1|T1|T1|NULL|STARTED|EXECUTING||T1"]
    );
    assert_eq!(
        place.rows("SELECT * FROM BATCH_JOB_EXECUTION_PARAMS ORDER BY 2"),
        ["1|note|java.lang.String|n|N", "1|run.id|java.lang.Long|1|Y"]
    );
    assert_eq!(
        place.rows("SELECT * FROM BATCH_JOB_EXECUTION_CONTEXT"),
        [r#"1|{"@class":"java.util.HashMap"}|NULL"#]
    );
    drop((launched, repository));
    let dump = place.dump();
    assert!(dump.contains("c10c24e08259063ee40f28b6aa617f12") && !dump.contains("s3cret"));
}

fn the_sequences_hold_the_last_number_given<P: Place>(place: &P) {
    let repository = place.open();
    for _ in 0..2 {
        let launched = launch(&repository);
        begin(&repository, launched.ownership);
        fail(&repository, launched.ownership);
    }
    for (table, id) in [("JOB_INSTANCE", "1"), ("JOB_EXECUTION", "2"), ("STEP_EXECUTION", "2")] {
        assert_eq!(place.rows(&format!("{} BATCH_{table}_SEQ", P::LAST_NUMBER)), [id]);
    }
}

fn a_running_instance_refuses_a_second_launch<P: Place>(place: &P) {
    let repository = place.open();
    let first = launch(&repository);
    for repository in [&repository, &place.open()] {
        let error = repository.launch(&request(&parameters("a"))).unwrap_err();
        assert!(
            matches!(&error, RepositoryError::AlreadyRunning { execution, .. } if *execution == first.ownership.execution),
            "{error}"
        );
        assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
    }
}

fn an_execution_whose_owner_is_gone_is_taken_over<P: Place>(place: &P) {
    let repository = place.open();
    let first = launch(&repository);
    let mut step = begin(&repository, first.ownership);
    make_items(place);
    commit::<P>(&mut step, 5).unwrap();
    drop(first.lock);

    let repository = place.open();
    let second = launch(&repository);
    assert_eq!(second.restarted_from, Some(first.ownership.execution));
    assert_eq!(second.recovered.unwrap().pid, std::process::id());
    let lost = repository.execution(first.ownership.execution).unwrap();
    assert_eq!((lost.status, lost.exit.code.as_str()), (BatchStatus::Failed, "OWNER_LOST"));
    assert!(lost.exit.description.contains(&format!("process {}", std::process::id())));
    assert!(lost.ended.is_some());
    assert_eq!(repository.steps(lost.id).unwrap()[0].status, BatchStatus::Failed);

    assert!(is_fenced(&commit::<P>(&mut step, 6)));
    assert_eq!(items(place), ["5"]);
    let again = begin(&repository, second.ownership);
    assert_eq!((again.context, again.before.read, again.starts), (context(5), 5, 2));
}

fn an_execution_whose_owner_has_closed_its_repository_is_taken_over<P: Place>(place: &P) {
    let repository = place.open();
    let launched = launch(&repository);
    let execution = launched.ownership.execution;
    drop(repository);
    drop(launched);
    assert_eq!(launch(&place.open()).restarted_from, Some(execution));
}

fn refusal(repository: &Repo, request: &LaunchRequest<'_>) -> RepositoryError {
    let before = repository.executions(&ExecutionFilter::default()).unwrap();
    let foreseen = repository.outlook(request).unwrap_err();
    let error = repository.launch(request).unwrap_err();
    assert_eq!(repository.executions(&ExecutionFilter::default()).unwrap(), before, "{error}");
    assert_eq!(std::mem::discriminant(&foreseen), std::mem::discriminant(&error), "{foreseen}");
    // The remaining seconds of a lease differ between the two calls.
    if !matches!(error, RepositoryError::AlreadyRunning { .. }) {
        assert_eq!(foreseen.to_string(), error.to_string());
    }
    error
}

fn refusals_come_in_the_order_of_the_contract_and_write_nothing<P: Place>(place: &P) {
    let repository = place.open();
    let parameters = parameters("a");
    let never = LaunchRequest {
        restartable: false,
        holds: &|_| Err("node `a` is gone".to_owned()),
        ..request(&parameters)
    };
    for _ in 0..3 {
        let launched = launch(&repository);
        fail(&repository, launched.ownership);
    }
    let running = launch(&repository);
    let set = |execution: u32, status: &str| {
        place.sql(&format!(
            "UPDATE BATCH_JOB_EXECUTION SET STATUS = '{status}' WHERE JOB_EXECUTION_ID = {execution}"
        ));
    };
    // All reasons at once; then they are removed one by one.
    set(1, "UNKNOWN");
    set(2, "COMPLETED");
    let error = refusal(&repository, &never);
    assert!(
        matches!(error, RepositoryError::AlreadyRunning { execution, .. } if execution.0 == 4),
        "{error}"
    );
    fail(&repository, running.ownership);
    let error = refusal(&repository, &never);
    assert!(matches!(error, RepositoryError::NeedsRecovery { execution, .. } if execution.0 == 1), "{error}");
    repository.abandon(ExecutionId(1)).unwrap();
    let error = refusal(&repository, &never);
    assert!(
        matches!(error, RepositoryError::AlreadyComplete { execution, .. } if execution.0 == 2),
        "{error}"
    );
    set(2, "FAILED");
    let error = refusal(&repository, &never);
    assert!(
        matches!(error, RepositoryError::AlreadyComplete { execution, status: BatchStatus::Abandoned, .. } if execution.0 == 1),
        "{error}"
    );
    set(1, "FAILED");
    let error = refusal(&repository, &never);
    assert!(
        matches!(error, RepositoryError::NotRestartable { execution, .. } if execution.0 == 4),
        "{error}"
    );
    let error = refusal(&repository, &LaunchRequest { restartable: true, ..never });
    assert!(
        matches!(&error, RepositoryError::GraphChanged { what, was, is, .. }
            if what == "node `a` is gone" && was == is),
        "{error}"
    );
    launch(&repository);
}

fn a_restart_inherits_journal_graph_and_context<P: Place>(place: &P) {
    let repository = place.open();
    let first = launch(&repository);
    assert!(first.journal.is_empty() && first.context.is_empty() && first.restarted_from.is_none());
    let entries = [
        JournalEntry {
            path: "load".to_owned(),
            outcome: "COMPLETED".to_owned(),
            exit: Some(ExitStatus::code("COMPLETED").because("all")),
            output: Some(("load".to_owned(), "[1]".to_owned())),
        },
        passed("match quality", "Good"),
    ];
    for entry in &entries {
        repository.record(first.ownership, std::slice::from_ref(entry), None).unwrap();
    }
    let finish = ExecutionFinish { context: Some(context(9)), ..ended(BatchStatus::Stopped, "STOPPED") };
    repository.finish(first.ownership, &finish).unwrap();

    let seen = Mutex::new(None);
    let holds = |so_far: &SoFar<'_>| {
        *seen.lock().unwrap() = Some((so_far.journal.to_vec(), so_far.graph.to_owned()));
        Ok(Vec::new())
    };
    let parameters = parameters("a");
    let second = repository
        .launch(&LaunchRequest { graph: "load; more", holds: &holds, ..request(&parameters) })
        .unwrap();
    assert_eq!(second.journal, entries);
    assert_eq!(second.context, context(9));
    assert_eq!(second.restarted_from, Some(first.ownership.execution));
    assert_eq!(*seen.lock().unwrap(), Some((entries.to_vec(), "load".to_owned())));
    assert_eq!(
        place.rows("SELECT GRAPH FROM BATCH_JOB_GRAPH ORDER BY JOB_EXECUTION_ID"),
        ["load", "load; more"]
    );
}

fn other_parameters_are_another_instance<P: Place>(place: &P) {
    let repository = place.open();
    let first = launch(&repository);
    let second = repository.launch(&request(&parameters("b"))).unwrap();
    assert_ne!(first.ownership.instance, second.ownership.instance);
    assert_eq!(second.ownership.epoch, 1);
}

fn an_exclusive_job_has_one_running_execution_whatever_the_parameters<P: Place>(place: &P) {
    let repository = place.open();
    let first = launch(&repository);
    let other = parameters("b");
    let exclusive = LaunchRequest { exclusive: true, ..request(&other) };
    let error = refusal(&repository, &exclusive);
    assert!(matches!(error, RepositoryError::AlreadyRunning { .. }), "{error}");
    let other_job = LaunchRequest { job: "other", ..exclusive };
    repository.launch(&other_job).unwrap();
    drop(first.lock);
    repository.launch(&exclusive).unwrap();
    assert_eq!(repository.execution(first.ownership.execution).unwrap().exit.code, "OWNER_LOST");
}

fn of_launches_of_an_exclusive_job_that_race_one_wins<P: Place>(place: &P) {
    let repository = place.open();
    let barrier = Barrier::new(8);
    let results: Vec<_> = std::thread::scope(|scope| {
        let race = |number: u32| {
            let (repository, barrier) = (&repository, &barrier);
            scope.spawn(move || {
                let parameters = parameters(&number.to_string());
                barrier.wait();
                repository.launch(&LaunchRequest { exclusive: true, ..request(&parameters) })
            })
        };
        let threads: Vec<_> = (0..8).map(race).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    one_won(&results);
}

fn the_epoch_rises_with_every_launch_and_takeover<P: Place>(place: &P) {
    let repository = place.open();
    let first = launch(&repository);
    fail(&repository, first.ownership);
    let second = launch(&repository);
    assert_eq!((first.ownership.epoch, second.ownership.epoch), (1, 2));
    drop(second.lock);
    assert_eq!(repository.recover().unwrap(), [second.ownership.execution]);
    assert_eq!(repository.execution(second.ownership.execution).unwrap().epoch, 3);
    assert_eq!(launch(&repository).ownership.epoch, 4);
}

fn an_owner_may_live_after_a_takeover_by_force_until_it_lets_go<P: Place>(place: &P) {
    let repository = place.open();
    let first = launch(&repository);
    assert!(!first.owner_may_live);
    let second = force(&repository);
    assert!(second.owner_may_live);
    fail(&repository, second.ownership);
    // The successor has ended without looking at what the first owner holds.
    let third = launch(&repository);
    assert!(third.owner_may_live);
    fail(&repository, third.ownership);
    drop(first.lock);
    let fourth = launch(&repository);
    assert!(!fourth.owner_may_live);
    drop(fourth.lock);
    let fifth = launch(&repository);
    assert!(fifth.recovered.is_some() && !fifth.owner_may_live);
}

fn strict_never_takes_over<P: Place>(place: &P) {
    let repository = place.open();
    drop(launch(&repository).lock);
    let parameters = parameters("a");
    let strict = LaunchRequest { recovery: Recovery::Strict, ..request(&parameters) };
    assert!(matches!(refusal(&repository, &strict), RepositoryError::AlreadyRunning { .. }));
}

fn a_crash_loop_ends_until_somebody_forces_the_launch<P: Place>(place: &P) {
    let repository = place.open();
    let parameters = parameters("a");
    let request = LaunchRequest { max_recoveries: 2, ..request(&parameters) };
    for _ in 0..3 {
        drop(repository.launch(&request).unwrap().lock);
    }
    let error = refusal(&repository, &request);
    assert!(matches!(error, RepositoryError::TooManyRecoveries { times: 3, .. }), "{error}");
    // `recover` does not change that.
    repository.recover().unwrap();
    let error = refusal(&repository, &request);
    assert!(matches!(error, RepositoryError::TooManyRecoveries { times: 3, .. }), "{error}");
    let forced = LaunchRequest { recovery: Recovery::Force, ..request };
    drop(repository.launch(&forced).unwrap().lock);
    drop(repository.launch(&request).unwrap().lock);
}

fn a_death_after_a_commit_is_not_a_crash_loop<P: Place>(place: &P) {
    let repository = place.open();
    make_items(place);
    let parameters = parameters("a");
    let request = LaunchRequest { max_recoveries: 1, ..request(&parameters) };
    for position in 0..4 {
        let launched = repository.launch(&request).unwrap();
        commit::<P>(&mut begin(&repository, launched.ownership), position).unwrap();
        drop(launched.lock);
    }
    assert_eq!(items(place).len(), 4);
}

fn one_won<T: std::fmt::Debug>(results: &[Result<T, RepositoryError>]) {
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
    for error in results.iter().filter_map(|result| result.as_ref().err()) {
        assert!(matches!(error, RepositoryError::AlreadyRunning { .. }), "{error}");
    }
}

fn of_launches_that_race_one_wins<P: Place>(place: &P) {
    for (shared, name) in [(true, "shared"), (false, "apart")] {
        let one = place.open();
        let barrier = Barrier::new(8);
        let results: Vec<_> = std::thread::scope(|scope| {
            let race = |_| {
                let (one, barrier) = (&one, &barrier);
                scope.spawn(move || {
                    let repository = if shared { one.clone() } else { place.open() };
                    barrier.wait();
                    let launched = repository.launch(&request(&parameters(name)));
                    // The winner is alive until all have seen it.
                    barrier.wait();
                    launched
                })
            };
            let threads: Vec<_> = (0..8).map(race).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        one_won(&results);
    }
    assert_eq!(place.rows("SELECT COUNT(*) FROM BATCH_JOB_EXECUTION"), ["2"]);
}

fn two_running_executions_of_an_instance_are_impossible_for_any_program<P: Place>(place: &P) {
    let repository = place.open();
    let _running = launch(&repository);
    let insert = |status: &str| {
        place.try_sql(&format!(
            "INSERT INTO BATCH_JOB_EXECUTION (JOB_EXECUTION_ID, VERSION, JOB_INSTANCE_ID, CREATE_TIME, STATUS)
             VALUES (7, 0, 1, '2024-01-31 08:30:00.123', '{status}')"
        ))
    };
    for status in ["STARTING", "STARTED", "STOPPING"] {
        assert!(insert(status).is_err());
    }
    insert("FAILED").unwrap();
}

fn an_execution_that_another_framework_runs_is_not_taken_over<P: Place>(place: &P) {
    let repository = place.open();
    fail(&repository, launch(&repository).ownership);
    place.sql(
        "INSERT INTO BATCH_JOB_EXECUTION (JOB_EXECUTION_ID, VERSION, JOB_INSTANCE_ID, CREATE_TIME, STATUS)
         VALUES (7, 0, 1, '2024-01-31 08:30:00.123', 'STARTED')",
    );
    let parameters = parameters("a");
    let error = refusal(&repository, &request(&parameters));
    assert!(
        matches!(error, RepositoryError::AlreadyRunning { execution, .. } if execution.0 == 7),
        "{error}"
    );
    assert!(repository.recover().unwrap().is_empty());
    let forced = force(&repository);
    assert_eq!((forced.restarted_from, forced.recovered), (Some(ExecutionId(7)), None));
}

fn every_write_of_the_row_raises_its_version<P: Place>(place: &P) {
    let repository = place.open();
    let versions = || place.rows("SELECT VERSION FROM BATCH_JOB_EXECUTION");
    let launched = launch(&repository);
    assert_eq!(versions(), ["0"]);
    repository.request_stop(launched.ownership.execution).unwrap();
    assert_eq!(versions(), ["1"]);
    repository.finish(launched.ownership, &ended(BatchStatus::Stopped, "STOPPED")).unwrap();
    assert_eq!(versions(), ["2"]);
}

fn the_end_of_an_execution_is_written_as_spring_batch_reads_it<P: Place>(place: &P) {
    let repository = place.open();
    let launched = launch(&repository);
    std::thread::sleep(std::time::Duration::from_millis(5));
    let exit = ExitStatus::code("FAILED").because("ä".repeat(3_000));
    let finish = ExecutionFinish { status: BatchStatus::Failed, exit, context: None };
    repository.finish(launched.ownership, &finish).unwrap();
    let row = place.rows(
        "SELECT STATUS, EXIT_CODE, LENGTH(EXIT_MESSAGE), START_TIME, END_TIME, LAST_UPDATED FROM BATCH_JOB_EXECUTION",
    );
    assert_eq!(timeless(&row), ["FAILED|FAILED|2500|T1|T2|T2"]);
}
