//! Jobs whose rows go to the server, and to `SQLite` by the same program.

use std::sync::Arc;

use batch_runtime::engine::{self, RunOptions};
use batch_runtime::observe::JobReport;
use batch_runtime::prelude::*;
use batch_runtime::repository::postgres::PostgresRepository;
use batch_runtime::repository::sqlite::SqliteRepository;
use batch_runtime::repository::{BatchStatus, Counters, Repository};
use batch_runtime::writers::{PostgresTable, PostgresWriteError, Table, TableWriteError};
use batch_runtime::{AnyDatabase, DatabaseError, Launch};
use batch_tests::postgres;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Person {
    id: i64,
    name: Option<String>,
    age: i32,
}

/// The people whom the table refuses.
const BAD: [usize; 6] = [17, 18, 250, 333, 401, 499];

#[reader]
fn people() -> impl Iterator<Item = Person> {
    (0..500).map(|number| {
        let mut person = Person { id: number, name: Some(format!("p{number}")), age: 30 };
        match number {
            17 => person.id = 16,
            18 | 401 => person.age = -1,
            250 => person.name = None,
            333 => person.name = Some("too long a name".to_owned()),
            499 => person.id = 0,
            _ => {}
        }
        person
    })
}

const TABLE: &str =
    "CREATE TABLE person (id BIGINT PRIMARY KEY, name VARCHAR(8) NOT NULL CHECK (length(name) < 9),
    age INT CHECK (age >= 0))";

#[step]
fn create(tx: &Transaction<'_, AnyDatabase>) -> Result<(), DatabaseError> {
    tx.batch_execute(TABLE)
}

#[writer]
fn save() -> Table<Person> {
    Table::into("person")
}

#[step(chunk = 100, skip(TableWriteError))]
fn load() {
    people | save
}

#[job]
fn loading() {
    create;
    load;
}

#[writer]
fn update() -> Table<Person> {
    Table::into("person").upsert(&["id"])
}

#[step(chunk = 100, skip(TableWriteError))]
fn load_twice() {
    people | update
}

#[job]
fn updating() {
    create;
    load_twice;
}

#[step(chunk = 100)]
fn load_strictly() {
    people | save
}

#[job]
fn strict() {
    create;
    load_strictly;
}

#[writer]
fn save_there() -> PostgresTable<Person> {
    PostgresTable::into("person")
}

#[step(chunk = 100, skip(PostgresWriteError))]
fn load_there() {
    people | save_there
}

#[job]
fn loading_there() {
    create;
    load_there;
}

/// A repository of each kind; only that in `SQLite` if there is no server.
fn repositories() -> (Option<postgres::Database>, Vec<Arc<dyn Repository>>) {
    let mut repositories: Vec<Arc<dyn Repository>> = vec![Arc::new(SqliteRepository::temporary().unwrap())];
    let database = postgres::database();
    if let Some(database) = &database {
        repositories.push(Arc::new(PostgresRepository::open(&Postgres::at(database.url())).unwrap()));
    }
    (database, repositories)
}

fn run(repository: &Arc<dyn Repository>, launch: &Launch) -> JobReport {
    engine::run(repository, launch, &RunOptions::default()).unwrap()
}

/// The people that were skipped, as they are stored.
fn skipped(repository: &Arc<dyn Repository>, report: &JobReport) -> Vec<Person> {
    let rows = repository.skipped_items(report.execution).unwrap();
    rows.iter().map(|row| serde_json::from_str(row.item.item.as_deref().unwrap()).unwrap()).collect()
}

fn counters(report: &JobReport) -> Counters {
    report.steps.last().unwrap().counters
}

#[test]
fn the_same_items_are_skipped_in_either_kind_of_database() {
    let (_database, repositories) = repositories();
    for repository in &repositories {
        let report = run(repository, &loading());
        assert_eq!(report.status, BatchStatus::Completed, "{}", report.exit.description);
        let Counters { read, write, write_skip, commit, .. } = counters(&report);
        assert_eq!((read, write, write_skip, commit), (500, 494, 6, 5));
        let skipped = skipped(repository, &report);
        let expected: Vec<Person> = people()
            .enumerate()
            .filter(|(number, _)| BAD.contains(number))
            .map(|(_, person)| person)
            .collect();
        assert_eq!(format!("{skipped:?}"), format!("{expected:?}"));
    }
}

#[test]
fn an_update_in_place_of_a_duplicate_is_not_a_fault_in_either() {
    let (_database, repositories) = repositories();
    for repository in &repositories {
        let report = run(repository, &updating());
        assert_eq!(report.status, BatchStatus::Completed, "{}", report.exit.description);
        let Counters { write, write_skip, .. } = counters(&report);
        assert_eq!((write, write_skip), (496, 4), "{:?}", skipped(repository, &report));
    }
}

#[test]
fn without_a_rule_the_job_fails_and_names_the_item() {
    let (_database, repositories) = repositories();
    // The server checks each row before it looks at the keys of all.
    for (repository, item) in repositories.iter().zip([18, 19]) {
        let report = run(repository, &strict());
        assert_eq!(report.status, BatchStatus::Failed);
        let said = &report.exit.description;
        assert!(said.contains(&format!("table `person`, item {item}: ")), "{said}");
        assert_eq!(counters(&report).write, 0);
    }
}

#[test]
fn a_rule_covers_what_the_server_says_after_the_writer_has_returned() {
    let Some(database) = postgres::database() else { return };
    let repository: Arc<dyn Repository> =
        Arc::new(PostgresRepository::open(&Postgres::at(database.url())).unwrap());
    let report = run(&repository, &loading_there());
    assert_eq!(report.status, BatchStatus::Completed, "{}", report.exit.description);
    assert_eq!(counters(&report).write_skip, 6);
    let rows = database.connect().query("SELECT count(*), min(id), max(id) FROM person", &[]).unwrap();
    assert_eq!((rows[0].get::<_, i64>(0), rows[0].get::<_, i64>(1), rows[0].get::<_, i64>(2)), (494, 0, 498));
}
