//! An outlook says what a launch would do, and writes nothing. The tests of launches check that it foresees every
//! refusal.

use batch_runtime::ExecutionId;
use batch_runtime::repository::{OperationKind, Outlook};

use crate::place::Place;
use crate::support::*;

every_kind![
    an_outlook_is_what_the_launch_then_does,
    an_outlook_leaves_a_dead_owner_to_the_launch,
    what_people_did_stays_with_the_execution,
];

fn an_outlook_is_what_the_launch_then_does<P: Place>(place: &P) {
    let repository = place.open();
    let parameters = parameters("a");
    let request = request(&parameters);
    assert_eq!(repository.outlook(&request).unwrap(), Outlook::Begins);
    assert_eq!(place.rows("SELECT COUNT(*) FROM BATCH_JOB_INSTANCE"), ["0"]);
    let first = launch(&repository);
    assert_eq!(first.restarted_from, None);

    fail(&repository, first.ownership);
    assert_eq!(repository.outlook(&request).unwrap(), Outlook::Resumes(ExecutionId(1)));
    let second = launch(&repository);
    assert_eq!(second.restarted_from, Some(ExecutionId(1)));

    drop(second.lock);
    assert_eq!(repository.outlook(&request).unwrap(), Outlook::TakesOver(ExecutionId(2)));
    let third = launch(&repository);
    assert_eq!(third.restarted_from, Some(ExecutionId(2)));
    assert!(third.recovered.is_some());
}

fn an_outlook_leaves_a_dead_owner_to_the_launch<P: Place>(place: &P) {
    let repository = place.open();
    drop(launch(&repository).lock);
    let parameters = parameters("a");
    let rows = || {
        place.rows("SELECT STATUS, EXIT_CODE, EPOCH, RECOVERIES FROM BATCH_JOB_EXECUTION JOIN BATCH_JOB_OWNER USING (JOB_EXECUTION_ID)")
    };
    let before = rows();
    repository.outlook(&request(&parameters)).unwrap();
    assert_eq!(rows(), before);
}

fn what_people_did_stays_with_the_execution<P: Place>(place: &P) {
    let repository = place.open();
    let execution = launch(&repository).ownership.execution;
    for (what, via) in
        [(OperationKind::Start, "page"), (OperationKind::Stop, "cli"), (OperationKind::Abandon, "page")]
    {
        repository.add_operation(execution, what, via).unwrap();
    }
    let operations = repository.operations(execution).unwrap();
    let shown: Vec<_> = operations.iter().map(|it| (it.what, it.via.as_str())).collect();
    assert_eq!(
        shown,
        [(OperationKind::Start, "page"), (OperationKind::Stop, "cli"), (OperationKind::Abandon, "page")]
    );
    assert!(operations.is_sorted_by_key(|operation| operation.done));
    assert_eq!(repository.operations(ExecutionId(99)).unwrap(), []);
    assert!(repository.add_operation(ExecutionId(99), OperationKind::Stop, "cli").is_err());
}
