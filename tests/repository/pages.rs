//! Lists that are read page by page, whatever the filter, while rows are added.

use std::fmt::Write as _;

use batch_runtime::repository::{
    BatchStatus, Between, ChunkRecord, ExecutionFilter, JobExecution, SkipPhase, SkippedFilter, SkippedItem,
    SkippedOf, SkippedRow,
};
use batch_runtime::{ExecutionId, InstanceId};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::place::{Place, Repo};
use crate::support::*;

every_kind![
    any_filter_read_page_by_page_returns_the_executions_that_match_it,
    a_page_of_executions_has_the_parameters_of_each_in_order,
    skipped_items_are_read_page_by_page_over_all_executions_of_an_instance,
];

/// The number of cases of the property; each case reads several pages.
const CASES: u32 = 48;
const JOBS: [&str; 3] = ["load", "rank", "load%"];
const STATUSES: [BatchStatus; 8] = [
    BatchStatus::Completed,
    BatchStatus::Starting,
    BatchStatus::Started,
    BatchStatus::Stopping,
    BatchStatus::Stopped,
    BatchStatus::Failed,
    BatchStatus::Abandoned,
    BatchStatus::Unknown,
];
const PARAMETERS: [(&str, &str); 5] = [
    ("year", "2013"),
    ("next", "2014"),
    ("input", "/data/50%_é.csv"),
    ("note", "it's year=2013"),
    ("empty", ""),
];
const TEXTS: [&str; 8] = ["year=2013", "2013", "%", "_é.", "it's", "YEAR", "=", "empty="];

/// An execution as another program may have left it. The times count tenths of a second.
#[derive(Debug, Clone)]
struct Row {
    job: usize,
    status: usize,
    started: Option<u32>,
    ended: Option<u32>,
    parameters: Vec<usize>,
    /// Whether the times are numbers, as the JDBC driver of `SQLite` writes them.
    numbers: bool,
}

fn row() -> impl Strategy<Value = Row> {
    let time = || prop::option::weighted(0.8, 0..8_u32);
    let parameters = prop::sample::subsequence((0..PARAMETERS.len()).collect::<Vec<_>>(), 0..3);
    (0..JOBS.len(), 0..STATUSES.len(), time(), time(), parameters, any::<bool>()).prop_map(
        |(job, status, started, ended, parameters, numbers)| Row {
            job,
            status,
            started,
            ended,
            parameters,
            numbers,
        },
    )
}

fn moment(tenths: u32, nanos: i64) -> Timestamp {
    let first: Timestamp = "2026-11-01T23:59:59.7Z".parse().unwrap();
    first + SignedDuration::from_millis(i64::from(tenths) * 100) + SignedDuration::from_nanos(nanos)
}

fn between() -> impl Strategy<Value = Between> {
    let bound = || {
        let nanos = prop::sample::select(vec![0, 0, 1, -1, 999_999, -1_000_000]);
        prop::option::weighted(0.3, (0..8_u32, nanos).prop_map(|(tenths, nanos)| moment(tenths, nanos)))
    };
    (bound(), bound()).prop_map(|(from, until)| Between { from, until })
}

fn filter() -> impl Strategy<Value = ExecutionFilter> {
    let job = prop::option::weighted(0.3, (0..JOBS.len()).prop_map(|job| JOBS[job].to_owned()));
    let instance = prop::option::weighted(0.1, (1..12_i64).prop_map(InstanceId));
    let statuses = prop_oneof![
        2 => Just(Vec::new()),
        1 => prop::sample::subsequence(STATUSES.to_vec(), 1..4),
    ];
    let parameter = prop::option::weighted(0.3, prop::sample::select(TEXTS.map(str::to_owned).to_vec()));
    (job, instance, prop::bool::weighted(0.1), statuses, between(), between(), parameter).prop_map(
        |(job, instance, running, statuses, started, ended, parameter)| ExecutionFilter {
            job,
            instance,
            running,
            statuses,
            started,
            ended,
            parameter,
            ..ExecutionFilter::default()
        },
    )
}

/// The statements that add an execution of an instance of its own.
fn added<P: Place>(id: usize, row: &Row) -> String {
    let time = |tenths: Option<u32>| match tenths.map(|tenths| moment(tenths, 0)) {
        None => "NULL".to_owned(),
        Some(time) if row.numbers && P::KIND == "sqlite" => time.as_millisecond().to_string(),
        Some(time) => time.strftime("'%Y-%m-%d %H:%M:%S%.3f'").to_string(),
    };
    let status = STATUSES[row.status];
    let (started, ended) = (time(row.started), time(row.ended));
    let mut sql = format!(
        "INSERT INTO BATCH_JOB_INSTANCE VALUES ({id}, 0, '{}', 'key {id}');
         INSERT INTO BATCH_JOB_EXECUTION (JOB_EXECUTION_ID, VERSION, JOB_INSTANCE_ID, CREATE_TIME, START_TIME, END_TIME, STATUS)
             VALUES ({id}, 0, {id}, '2026-11-01 00:00:00', {started}, {ended}, '{status}');",
        JOBS[row.job]
    );
    for (name, value) in row.parameters.iter().map(|parameter| PARAMETERS[*parameter]) {
        let value = value.replace('\'', "''");
        let _ = write!(
            sql,
            "INSERT INTO BATCH_JOB_EXECUTION_PARAMS VALUES ({id}, '{name}', 'java.lang.String', '{value}', 'Y');"
        );
    }
    sql
}

/// The filter, written without SQL.
fn is_wanted(execution: &JobExecution, filter: &ExecutionFilter) -> bool {
    let is_in = |between: Between, time: Option<Timestamp>| {
        between.from.is_none_or(|from| time.is_none_or(|time| time >= from))
            && between.until.is_none_or(|until| time.is_some_and(|time| time < until))
    };
    let has = |text: &String| {
        let texts = execution.parameters.iter().map(|it| format!("{}={}", it.name, it.value));
        texts.into_iter().any(|parameter| parameter.contains(text))
    };
    filter.job.as_ref().is_none_or(|job| *job == execution.instance.job)
        && filter.instance.is_none_or(|instance| instance == execution.instance.id)
        && (!filter.running || execution.status.is_running())
        && (filter.statuses.is_empty() || filter.statuses.contains(&execution.status))
        && is_in(filter.started, execution.started)
        && is_in(filter.ended, execution.ended)
        && filter.parameter.as_ref().is_none_or(has)
}

/// Reads all pages; `meanwhile` is called before each page but the first.
fn page_by_page(
    repository: &Repo,
    filter: &ExecutionFilter,
    size: u32,
    mut meanwhile: impl FnMut(),
) -> Vec<JobExecution> {
    let mut all: Vec<JobExecution> = Vec::new();
    loop {
        let after = all.last().map(|last| last.id);
        let filter = ExecutionFilter { after, limit: Some(size), ..filter.clone() };
        let page = repository.executions(&filter).unwrap();
        assert!(page.len() <= size as usize);
        let is_last = page.len() < size as usize;
        all.extend(page);
        if is_last {
            return all;
        }
        meanwhile();
    }
}

fn any_filter_read_page_by_page_returns_the_executions_that_match_it<P: Place>(place: &P) {
    let repository = place.open();
    let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
    let cases = (prop::collection::vec(row(), 0..25), filter(), 1..6_u32, prop::collection::vec(row(), 5));
    let tested = runner.run(&cases, |(rows, filter, size, later)| {
        let inserts = (1..).zip(&rows).map(|(id, row)| added::<P>(id, row));
        let tables = ["_EXECUTION_PARAMS", "_EXECUTION", "_INSTANCE"];
        let deletes = tables.map(|table| format!("DELETE FROM BATCH_JOB{table};"));
        place.sql(&deletes.into_iter().chain(inserts).collect::<String>());
        let mut expected = repository.executions(&ExecutionFilter::default()).unwrap();
        prop_assert_eq!(expected.len(), rows.len());
        expected.retain(|execution| is_wanted(execution, &filter));
        prop_assert_eq!(repository.count_executions(&filter).unwrap(), expected.len() as u64);
        let mut more = (rows.len() + 1..).zip(later.iter().cycle());
        let pages = page_by_page(&repository, &filter, size, || {
            let (id, row) = more.next().unwrap();
            place.sql(&added::<P>(id, row));
        });
        prop_assert_eq!(pages, expected);
        Ok(())
    });
    tested.unwrap();
}

fn a_page_of_executions_has_the_parameters_of_each_in_order<P: Place>(place: &P) {
    let repository = place.open();
    let rows = [vec![], vec![2, 0], vec![1], vec![4, 3, 1]];
    for (id, parameters) in (1..).zip(rows) {
        let row = Row { job: 0, status: 0, started: None, ended: None, parameters, numbers: false };
        place.sql(&added::<P>(id, &row));
    }
    let page =
        repository.executions(&ExecutionFilter { limit: Some(3), ..ExecutionFilter::default() }).unwrap();
    let names = page.iter().map(|execution| {
        let names = execution.parameters.iter().map(|parameter| parameter.name.as_str());
        (execution.id.0, names.collect::<Vec<_>>().join(" "))
    });
    let expected = [(4, "empty next note"), (3, "next"), (2, "input year")];
    assert_eq!(names.collect::<Vec<_>>(), expected.map(|(id, names)| (id, names.to_owned())));
}

/// Two executions of one instance and one of another, each with two steps that skip several items.
fn skip_some(repository: &Repo) {
    let skipped = |name: String| SkippedItem {
        phase: SkipPhase::Read,
        position: "{}".to_owned(),
        location: None,
        error: name,
        item: None,
    };
    for (instance, many) in [("a", 7), ("b", 2), ("a", 5)] {
        let parameters = parameters(instance);
        let launched = repository.launch(&request(&parameters)).unwrap();
        for name in ["read", "write"] {
            let mut step = begin_as(repository, launched.ownership, &start(name)).unwrap();
            let items = (0..many).map(|number| skipped(format!("{instance} {name} {number}"))).collect();
            let mut record = ChunkRecord { skipped: items, ..record(1) };
            step.chunks.commit(&mut record, |_, _| Ok(())).unwrap();
        }
        fail(repository, launched.ownership);
    }
}

fn skipped_items_are_read_page_by_page_over_all_executions_of_an_instance<P: Place>(place: &P) {
    let repository = place.open();
    skip_some(&repository);

    let of_one = |id: i64| repository.skipped_items(ExecutionId(id)).unwrap();
    let of_both = [of_one(1), of_one(3)].concat();
    assert_eq!((of_one(1).len(), of_one(3).len()), (14, 10));
    assert!(of_both.is_sorted_by_key(SkippedRow::key));
    for size in [1, 3, 14, 100] {
        for (of, expected) in [
            (SkippedOf::Execution(ExecutionId(1)), of_one(1)),
            (SkippedOf::InstanceOf(ExecutionId(1)), of_both.clone()),
            (SkippedOf::InstanceOf(ExecutionId(3)), of_both.clone()),
        ] {
            let mut all: Vec<SkippedRow> = Vec::new();
            loop {
                let after = all.last().map(SkippedRow::key);
                let filter = SkippedFilter { of, after, limit: Some(size) };
                let page = repository.skipped_page(&filter).unwrap();
                assert!(page.len() <= size as usize);
                if page.is_empty() {
                    break;
                }
                all.extend(page);
            }
            assert_eq!(all, expected, "{of:?} by {size}");
        }
    }
}
