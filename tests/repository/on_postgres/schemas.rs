//! Schemas that become a repository, and schemas that cannot.

use std::sync::Arc;

use batch_runtime::ExecutionId;
use batch_runtime::postgres::{Postgres, Session};
use batch_runtime::repository::postgres::PostgresRepository;
use batch_runtime::repository::{BatchStatus, ChunkRecord, ExecutionFilter, encode_context};
use batch_tests::postgres::{Options, Server};

use super::{open, refusal, schema};
use crate::place::{Place, Repo};
use crate::postgres::Schema;
use crate::support::*;

/// Runs a job through everything that a repository writes, with a death in between.
fn use_all(repository: &Repo) {
    let first = launch(repository);
    let mut step = begin(repository, first.ownership);
    let record = ChunkRecord { job_context: Some(encode_context(&context(3))), ..record(5) };
    step.chunks.commit(&mut record.clone(), |_, _| Ok(())).unwrap();
    drop(first.lock);
    let second = launch(repository);
    assert_eq!(begin(repository, second.ownership).context, context(5));
    assert_eq!(second.context, context(3));
    fail(repository, second.ownership);
}

#[test]
fn a_schema_of_any_name_holds_a_repository_of_its_own() {
    let Some(place) = schema() else { return };
    let names =
        ["batch", "Batch", "my batch", "a\"b", "a'b", "select", "ä", "a@b", "a.b", "a;--", "%41", "$1"];
    for name in names {
        let escaped: Vec<_> = name.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let repository = open(&format!("{}?schema={}", place.url(), escaped.concat()));
        use_all(&repository);
        let tables = place.connect().query("SELECT tablename FROM pg_tables WHERE schemaname = $1", &[&name]);
        assert_eq!(tables.unwrap().len(), 24, "{name}");
    }
    assert!(place.tables().is_empty(), "nothing is in the schema `public`");
    let schemas =
        place.rows("SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema$)'");
    assert_eq!(schemas.len(), names.len() + 1);
    let ids: std::collections::HashSet<_> =
        names[..2].iter().map(|name| open(&format!("{}?schema={name}", place.url())).identity()).collect();
    assert_eq!(ids.len(), 2);
}

#[test]
fn a_query_creates_nothing() {
    let Some(place) = schema() else { return };
    let database = Postgres::at(format!("{}?schema=batch", place.url()));
    let error = refusal(PostgresRepository::open_existing(&database));
    assert!(error.contains("?schema=batch: holds no repository: `run` creates one"), "{error}");
    assert_eq!(place.rows("SELECT COUNT(*) FROM pg_namespace WHERE nspname = 'batch'"), ["0"]);
    PostgresRepository::open(&database).unwrap();
    PostgresRepository::open_existing(&database).unwrap();
}

#[test]
fn a_schema_of_a_newer_program_is_refused_and_left_alone() {
    let Some(place) = schema() else { return };
    place.open();
    place.sql("UPDATE BATCH_SCHEMA SET VERSION = 99");
    let before = place.dump();
    for open in [PostgresRepository::open, PostgresRepository::open_existing] {
        let error = refusal(open(&place.database()));
        assert!(error.contains("has schema version 99"), "{error}");
        assert!(error.contains("use a newer program, or another `?schema=`"), "{error}");
    }
    assert_eq!(place.dump(), before);
}

/// The version of the schema that this program writes.
const VERSION: usize = SCRIPTS.len();
/// The scripts that make each version from the one before. The first needs the tables of Spring Batch.
const SCRIPTS: [&str; 4] = [
    include_str!("../../../batch-runtime/src/repository/schema/postgres_1.sql"),
    include_str!("../../../batch-runtime/src/repository/schema/postgres_2.sql"),
    include_str!("../../../batch-runtime/src/repository/schema/postgres_3.sql"),
    include_str!("../../../batch-runtime/src/repository/schema/postgres_4.sql"),
];

/// Makes a repository as an earlier version of this program left it, with one failed execution.
pub(super) fn of_version(version: usize, place: &Schema) {
    let spring = include_str!("../../../batch-runtime/src/repository/schema/postgres_spring.sql");
    for script in [spring].iter().chain(&SCRIPTS[..version]) {
        place.sql(&script.replace('@', ""));
    }
    place.sql(&format!(
        "INSERT INTO BATCH_SCHEMA VALUES ({version}, 'b2a1c0de-0000-4000-8000-000000000000');
         INSERT INTO BATCH_JOB_INSTANCE VALUES (nextval('BATCH_JOB_INSTANCE_SEQ'), 0, 'other', 'key');
         INSERT INTO BATCH_JOB_EXECUTION (JOB_EXECUTION_ID, VERSION, JOB_INSTANCE_ID, CREATE_TIME, STATUS)
             SELECT nextval('BATCH_JOB_EXECUTION_SEQ'), 0, JOB_INSTANCE_ID, '2024-01-31 08:30:00.123', 'FAILED'
             FROM BATCH_JOB_INSTANCE"
    ));
}

#[test]
fn a_repository_of_any_earlier_version_is_updated_and_keeps_its_data() {
    let columns = "SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns
                   WHERE table_schema = 'public' ORDER BY table_name, ordinal_position";
    let indexes = "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY indexname";
    let Some(new) = schema() else { return };
    new.open();
    let opens = [PostgresRepository::open, PostgresRepository::open_existing];
    for (version, open) in (1..VERSION).flat_map(|version| opens.map(|open| (version, open))) {
        let Some(place) = schema() else { return };
        of_version(version, &place);
        let repository: Repo = Arc::new(open(&place.database()).unwrap());
        for query in [columns, indexes] {
            assert_eq!(place.rows(query), new.rows(query), "from version {version}");
        }
        let schema = place.rows("SELECT VERSION, REPOSITORY FROM BATCH_SCHEMA");
        assert_eq!(schema, [format!("{VERSION}|b2a1c0de-0000-4000-8000-000000000000")]);
        assert_eq!(repository.execution(ExecutionId(1)).unwrap().status, BatchStatus::Failed);
        assert_eq!(launch(&repository).ownership.execution, ExecutionId(2));
    }
}

#[test]
fn a_repository_of_any_earlier_version_can_be_read_by_those_who_may_not_write() {
    for version in 1..VERSION {
        let Some(place) = schema() else { return };
        of_version(version, &place);
        let url = format!("{}?options=-c%20default_transaction_read_only%3Don", place.url());
        let reading = PostgresRepository::open_existing(&Postgres::at(&url)).unwrap();
        let reading: Repo = Arc::new(reading);
        let execution = reading.execution(ExecutionId(1)).unwrap();
        assert_eq!(execution.instance.job, "other");
        assert_eq!(reading.executions(&ExecutionFilter::default()).unwrap(), [execution]);
        assert!(reading.steps(ExecutionId(1)).unwrap().is_empty());
        assert!(reading.skipped_items(ExecutionId(1)).unwrap().is_empty());
        place.sql(
            "INSERT INTO BATCH_STEP_EXECUTION (STEP_EXECUTION_ID, VERSION, STEP_NAME, JOB_EXECUTION_ID, CREATE_TIME, START_TIME, STATUS)
             VALUES (1, 0, 'step', 1, now(), now(), 'STARTED')",
        );
        assert_eq!(reading.running_steps(&[ExecutionId(1)]).unwrap()[0].name, "step");
        assert_eq!(place.rows("SELECT VERSION FROM BATCH_SCHEMA"), [version.to_string()]);
    }
}

#[test]
fn a_user_who_may_not_create_is_told_what_to_do_and_one_who_may_only_read_can_query() {
    let Some(server) = Server::start(&Options::default()) else { return };
    let database = server.database();
    let admin = database.connect();
    admin.batch_execute("CREATE ROLE etl LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC").unwrap();
    let url = database.url().replace("batch@", "etl@");
    for (option, what) in [("", "schema public"), ("?schema=batch", "database")] {
        let error = refusal(PostgresRepository::open(&Postgres::at(format!("{url}{option}"))));
        assert!(error.contains(&format!("permission denied for {what}")), "{error}");
        assert!(error.contains("let the owner of the database grant this user the right"), "{error}");
    }
    let repository = open(database.url());
    let launched = launch(&repository);
    let error = refusal(PostgresRepository::open_existing(&Postgres::at(&url)));
    assert!(error.contains("permission denied for table"), "{error}");
    admin.batch_execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO etl").unwrap();
    let reading = PostgresRepository::open_existing(&Postgres::at(&url)).unwrap();
    let reading: Repo = Arc::new(reading);
    let execution = reading.execution(launched.ownership.execution).unwrap();
    assert_eq!(reading.owner_state(&execution).unwrap(), batch_runtime::repository::OwnerState::Alive);
    let error = reading.request_stop(launched.ownership.execution).unwrap_err().to_string();
    assert!(error.contains("permission denied for table"), "{error}");
}

#[test]
fn a_read_only_database_allows_queries_and_refuses_a_run_with_a_remedy() {
    let Some(place) = schema() else { return };
    let url = format!("{}?options=-c%20default_transaction_read_only%3Don", place.url());
    let error = refusal(PostgresRepository::open(&Postgres::at(&url)));
    assert!(error.contains("the server is a standby or read-only: name the primary server"), "{error}");
    assert!(place.tables().is_empty());
    place.open();
    // Queries still work.
    let reading = PostgresRepository::open_existing(&Postgres::at(&url)).unwrap();
    let reading: Repo = Arc::new(reading);
    assert!(reading.job_names().unwrap().is_empty());
    let error = reading.launch(&request(&parameters("a"))).unwrap_err().to_string();
    assert!(error.contains("name the primary server"), "{error}");
}

#[test]
fn a_copy_with_the_same_identity_is_not_the_repositorys_own_database() {
    let Some(server) = Server::start(&Options::default()) else { return };
    let database = server.database();
    let repository = open(database.url());
    let identity = repository.identity();
    drop(repository);
    let admin = Session::connect(&Postgres::at(server.url()), "a test").unwrap();
    let (_, name) = database.url().rsplit_once('/').unwrap();
    admin.batch_execute(&format!("CREATE DATABASE copied TEMPLATE {name}")).unwrap();
    let copied = Postgres::at(server.url().replace("/postgres", "/copied"));
    let repository = open(database.url());
    assert_eq!(open(&server.url().replace("/postgres", "/copied")).identity(), identity);
    assert!(!repository.is_own(&batch_runtime::DatabaseHandle::new(copied)).unwrap());
}
