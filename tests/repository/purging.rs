//! A purge deletes the record of instances that are complete, and nothing of others; identities and totals stay.

use batch_runtime::operator::{Archive, ExecutionDetails, JobOperator, OperatorError, Purge};
use batch_runtime::repository::{
    BatchStatus, ChunkRecord, InstanceFilter, LaunchRequest, Launched, OperationKind, Ownership, PurgeFilter,
    RepositoryError, SkipPhase, SkippedItem, SkippedRow, StepFinish, finish_step,
};
use batch_runtime::{BoxError, ExecutionId, InstanceId, Parameter, ParameterValue, Timestamp};

use crate::place::{Place, Repo};
use crate::support::*;

every_kind![
    a_purged_instance_is_refused_as_complete_and_nothing_else_of_it_is_left,
    an_instance_that_may_be_continued_stays,
    an_abandoned_instance_is_purged_with_its_failed_executions,
    what_was_purged_counts_in_the_statistics,
    a_run_id_is_not_given_again_after_a_purge,
    a_page_looks_at_a_limited_number_of_instances_and_says_where_the_next_one_begins,
    only_old_instances_with_the_wanted_job_and_status_are_selected,
    the_space_of_purged_rows_is_given_back,
    the_archive_takes_each_execution_and_then_the_items_that_it_skipped,
    nothing_is_purged_whose_archive_is_not_durable,
];

/// Everything that may be purged.
fn all() -> PurgeFilter {
    PurgeFilter {
        job: "load".to_owned(),
        statuses: Vec::new(),
        ended_before: Timestamp::MAX,
        after: None,
        before: None,
        limit: 100,
    }
}

fn launched(repository: &Repo, name: &str) -> Launched {
    repository.launch(&request(&parameters(name))).unwrap()
}

/// Runs the instance of that name to its end, with a step of two chunks.
fn complete<P: Place>(repository: &Repo, name: &str) -> InstanceId {
    let Launched { ownership, lock, .. } = launched(repository, name);
    let mut step = begin(repository, ownership);
    for position in [1, 2] {
        step.chunks.commit(&mut record(position), |_, _| Ok(())).unwrap();
    }
    let end = StepFinish { counters: record(2).counters, ..ended_step(BatchStatus::Completed, "COMPLETED") };
    finish_step(&**repository, ownership, step.id, None, &end).unwrap();
    repository.record(ownership, &[passed("step", "COMPLETED")], None).unwrap();
    repository.finish(ownership, &ended(BatchStatus::Completed, "COMPLETED")).unwrap();
    drop(lock);
    repository.add_operation(ownership.execution, OperationKind::Start, "page").unwrap();
    ownership.instance
}

fn selected(repository: &Repo, filter: &PurgeFilter) -> Vec<InstanceId> {
    let page = repository.purgeable(filter).unwrap();
    page.instances.iter().map(|purgeable| purgeable.instance.id).collect()
}

fn refused(repository: &Repo, name: &str) -> (ExecutionId, BatchStatus) {
    match repository.launch(&request(&parameters(name))) {
        Err(RepositoryError::AlreadyComplete { execution, status, purged: true, .. }) => (execution, status),
        other => panic!("not refused: {other:?}"),
    }
}

fn a_purged_instance_is_refused_as_complete_and_nothing_else_of_it_is_left<P: Place>(place: &P) {
    let repository = place.open();
    let instance = complete::<P>(&repository, "a");
    assert_eq!(selected(&repository, &all()), [instance]);
    assert_eq!(repository.purge(&[instance]).unwrap(), [instance]);
    assert!(repository.purge(&[instance]).unwrap().is_empty(), "it is gone");

    for table in place.tables() {
        let count = place.rows(&format!("SELECT COUNT(*) FROM {table}"));
        let kept = [
            "BATCH_SCHEMA",
            "BATCH_PROCESS",
            "BATCH_PURGED",
            "BATCH_TOTAL",
            "BATCH_TOTAL_WORK",
            "_SEQ",
            "SQLITE_SEQUENCE",
        ];
        let is_kept = kept.iter().any(|kept| table.to_uppercase().ends_with(kept));
        assert!(is_kept || count == ["0"], "{table}: {count:?}");
    }
    assert_eq!(refused(&repository, "a"), (ExecutionId(1), BatchStatus::Completed));
    let message = repository.launch(&request(&parameters("a"))).unwrap_err().to_string();
    assert!(
        message.contains("already COMPLETED: execution 1, whose record was purged; run it with other"),
        "{message}"
    );
    assert_eq!(repository.outlook(&request(&parameters("a"))).unwrap_err().to_string(), message);
    // Others are launched as before, and with numbers of their own.
    assert_ne!(launched(&repository, "b").ownership.instance, instance);
    // Nothing of the refused launch is left.
    assert_eq!(repository.count_instances(Some("load")).unwrap(), 1);
}

fn an_instance_that_may_be_continued_stays<P: Place>(place: &P) {
    let repository = place.open();
    let failed = launched(&repository, "failed");
    fail(&repository, failed.ownership);
    let running = launched(&repository, "running");
    assert_eq!(selected(&repository, &all()), [InstanceId(0); 0]);
    let ids = [failed.ownership.instance, running.ownership.instance, InstanceId(99)];
    assert!(repository.purge(&ids).unwrap().is_empty());
    assert_eq!(repository.instances(&InstanceFilter::default()).unwrap().len(), 2);
    repository.finish(running.ownership, &ended(BatchStatus::Completed, "COMPLETED")).unwrap();
    assert_eq!(selected(&repository, &all()), [running.ownership.instance]);
}

fn an_abandoned_instance_is_purged_with_its_failed_executions<P: Place>(place: &P) {
    let repository = place.open();
    for _ in 0..2 {
        fail(&repository, launch(&repository).ownership);
    }
    repository.abandon(ExecutionId(2)).unwrap();
    let page = repository.purgeable(&all()).unwrap();
    let [purgeable] = &page.instances[..] else { panic!("{page:?}") };
    assert_eq!((purgeable.status, purgeable.executions), (BatchStatus::Abandoned, 2));
    assert_eq!(repository.purge(&[purgeable.instance.id]).unwrap(), [purgeable.instance.id]);
    assert_eq!(refused(&repository, "a"), (ExecutionId(2), BatchStatus::Abandoned));
}

fn what_was_purged_counts_in_the_statistics<P: Place>(place: &P) {
    let repository = place.open();
    let instances = ["a", "b", "c"].map(|name| complete::<P>(&repository, name));
    let before = repository.statistics().unwrap();
    assert_eq!((before.launches, before.work[0].counters.read), (3, 6));
    for (at, instance) in instances.into_iter().enumerate() {
        assert_eq!(repository.purge(&[instance]).unwrap(), [instance]);
        assert_eq!(repository.statistics().unwrap(), before, "after {} purges", at + 1);
    }
}

fn a_run_id_is_not_given_again_after_a_purge<P: Place>(place: &P) {
    let repository = place.open();
    let mut parameters = parameters("a");
    let value = ParameterValue::Long(7);
    parameters.insert("run.id", Parameter { value, identifying: true, secret: false });
    let launched = repository.launch(&LaunchRequest { ..request(&parameters) }).unwrap();
    repository.finish(launched.ownership, &ended(BatchStatus::Completed, "COMPLETED")).unwrap();
    repository.purge(&[launched.ownership.instance]).unwrap();
    assert_eq!(repository.last_run_id("load").unwrap(), Some(7));
    assert_eq!(repository.last_run_id("other").unwrap(), None);
}

fn a_page_looks_at_a_limited_number_of_instances_and_says_where_the_next_one_begins<P: Place>(place: &P) {
    let repository = place.open();
    let first = complete::<P>(&repository, "a");
    fail(&repository, launched(&repository, "b").ownership);
    let third = complete::<P>(&repository, "c");
    let page = repository.purgeable(&PurgeFilter { limit: 2, ..all() }).unwrap();
    assert_eq!(page.instances.iter().map(|purgeable| purgeable.instance.id).collect::<Vec<_>>(), [first]);
    let rest = repository.purgeable(&PurgeFilter { limit: 2, after: page.next, ..all() }).unwrap();
    assert_eq!(rest.instances.iter().map(|purgeable| purgeable.instance.id).collect::<Vec<_>>(), [third]);
    assert_eq!(rest.next, None);
    assert_eq!(selected(&repository, &PurgeFilter { before: Some(third), ..all() }), [first]);
}

fn only_old_instances_with_the_wanted_job_and_status_are_selected<P: Place>(place: &P) {
    let repository = place.open();
    let before = repository.now().unwrap();
    let instance = complete::<P>(&repository, "a");
    let none = [InstanceId(0); 0];
    assert_eq!(selected(&repository, &PurgeFilter { ended_before: before, ..all() }), none);
    let of = |status| PurgeFilter { statuses: vec![status], ..all() };
    assert_eq!(selected(&repository, &of(BatchStatus::Abandoned)), none);
    assert_eq!(selected(&repository, &of(BatchStatus::Completed)), [instance]);
    assert_eq!(selected(&repository, &PurgeFilter { job: "other".to_owned(), ..all() }), none);
}

fn the_space_of_purged_rows_is_given_back<P: Place>(place: &P) {
    let repository = place.open();
    let instance = complete::<P>(&repository, "a");
    repository.purge(&[instance]).unwrap();
    repository.vacuum().unwrap();
    assert_eq!(refused(&repository, "a").1, BatchStatus::Completed);
}

/// Takes lines such as `2 completed` for an execution and `1 step 7` for a skipped item.
#[derive(Default)]
struct Lines {
    taken: Vec<String>,
    durable: usize,
    fails: bool,
}

impl Archive for Lines {
    fn execution(&mut self, execution: &ExecutionDetails) -> Result<(), BoxError> {
        self.taken.push(format!("{} {}", execution.execution.id, execution.execution.status.as_str()));
        Ok(())
    }

    fn skipped(&mut self, item: &SkippedRow) -> Result<(), BoxError> {
        self.taken.push(format!("{} {} {}", item.execution, item.step, item.item.error));
        Ok(())
    }

    fn sync(&mut self) -> Result<(), BoxError> {
        if self.fails {
            return Err("the disk is full".into());
        }
        self.durable = self.taken.len();
        Ok(())
    }
}

/// Skips that many items in a step of the execution.
fn skip(repository: &Repo, ownership: Ownership, many: u32) {
    let mut step = begin(repository, ownership);
    let item = |number: u32| SkippedItem {
        phase: SkipPhase::Read,
        position: "{}".to_owned(),
        location: None,
        error: number.to_string(),
        item: None,
    };
    for chunk in (1..=many).collect::<Vec<_>>().chunks(400) {
        let skipped = chunk.iter().copied().map(item).collect();
        step.chunks.commit(&mut ChunkRecord { skipped, ..record(1) }, |_, _| Ok(())).unwrap();
    }
    let end = ended_step(BatchStatus::Completed, "COMPLETED");
    finish_step(&**repository, ownership, step.id, None, &end).unwrap();
}

fn the_archive_takes_each_execution_and_then_the_items_that_it_skipped<P: Place>(place: &P) {
    let repository = place.open();
    let failed = launched(&repository, "a");
    skip(&repository, failed.ownership, 2);
    fail(&repository, failed.ownership);
    let completed = launched(&repository, "a");
    // More than are read at once.
    skip(&repository, completed.ownership, 1_001);
    repository.finish(completed.ownership, &ended(BatchStatus::Completed, "COMPLETED")).unwrap();
    let other = launched(&repository, "b");
    repository.finish(other.ownership, &ended(BatchStatus::Completed, "COMPLETED")).unwrap();

    let mut archive = Lines::default();
    let operator = JobOperator::new(std::sync::Arc::clone(&repository));
    operator.purge_archiving(&Purge::ended_before(Timestamp::MAX), &mut archive).unwrap();

    let items =
        |execution: u32, many: u32| (1..=many).map(move |number| format!("{execution} step {number}"));
    let mut expected = vec!["1 FAILED".to_owned()];
    expected.extend(items(1, 2));
    expected.push("2 COMPLETED".to_owned());
    expected.extend(items(2, 1_001));
    expected.push("3 COMPLETED".to_owned());
    assert_eq!(archive.taken, expected);
    assert_eq!(archive.durable, expected.len());
}

fn nothing_is_purged_whose_archive_is_not_durable<P: Place>(place: &P) {
    let repository = place.open();
    let instance = complete::<P>(&repository, "a");
    let mut archive = Lines { fails: true, ..Lines::default() };
    let operator = JobOperator::new(std::sync::Arc::clone(&repository));
    let refused = operator.purge_archiving(&Purge::ended_before(Timestamp::MAX), &mut archive);
    let why = refused.unwrap_err();
    assert!(
        matches!(&why, OperatorError::Archive(_)) && why.to_string().contains("the disk is full"),
        "{why}"
    );
    assert_eq!(selected(&repository, &all()), [instance]);
}
