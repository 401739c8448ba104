//! A repository for each test, and functions that run a job in it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use batch_runtime::Launch;
use batch_runtime::engine::{self, JobError, RunOptions};
use batch_runtime::observe::{JobReport, StepReport};
use batch_runtime::repository::sqlite::SqliteOptions;
use batch_runtime::repository::{BatchStatus, Counters, Repository};

/// A folder with a repository in it, removed at the end of the test.
pub(crate) struct World {
    folder: tempfile::TempDir,
    pub(crate) repository: Arc<dyn Repository>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(SqliteOptions::new())
    }

    /// A world whose repository is opened with these options.
    pub(crate) fn with(options: SqliteOptions) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let repository = options.open(folder.path().join("batch.db")).expect("a new repository");
        Self { folder, repository: Arc::new(repository) }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Finds the unfinished file whose name without its tag is this one, such as `out.csv.part`.
    pub(crate) fn unfinished(&self, name: &str) -> PathBuf {
        batch_tests::unfinished(&self.path(name))
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn try_run(&self, launch: &Launch) -> Result<JobReport, JobError> {
        engine::run(&self.repository, launch, &RunOptions::default())
    }

    pub(crate) fn run_with(&self, launch: &Launch, options: &RunOptions) -> JobReport {
        engine::run(&self.repository, launch, options).expect("the launch is not refused")
    }

    pub(crate) fn run(&self, launch: &Launch) -> JobReport {
        self.try_run(launch).expect("the launch is not refused")
    }

    pub(crate) fn completes(&self, launch: &Launch) -> JobReport {
        let report = self.run(launch);
        assert_eq!(report.status, BatchStatus::Completed, "{}", report.exit.description);
        report
    }

    pub(crate) fn fails(&self, launch: &Launch) -> JobReport {
        let report = self.run(launch);
        assert_eq!(report.status, BatchStatus::Failed);
        report
    }

    /// A connection of our own to the repository's database, where business tables live too.
    pub(crate) fn database(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.path("batch.db")).expect("the repository's file")
    }

    /// Marks ranges of records as done in the checkpoint of the only step. They are counted from its reader's position,
    /// and their ends are exclusive.
    pub(crate) fn mark_done(&self, done: &[(u32, u32)]) {
        let database = self.database();
        let context: String = database
            .query_row("SELECT SHORT_CONTEXT FROM BATCH_STEP_EXECUTION_CONTEXT", [], |row| row.get(0))
            .expect("one step, and one execution of it");
        let mut context: serde_json::Value = serde_json::from_str(&context).expect("JSON");
        let reader = context["batch.reader"].as_str().expect("a chunk is committed");
        let mut reader: serde_json::Value = serde_json::from_str(reader).expect("JSON");
        reader["v"] = 2.into();
        reader["done"] = serde_json::json!(done);
        context["batch.reader"] = reader.to_string().into();
        database
            .execute("UPDATE BATCH_STEP_EXECUTION_CONTEXT SET SHORT_CONTEXT = ?1", [context.to_string()])
            .expect("the row is there");
    }

    pub(crate) fn numbers(&self, sql: &str) -> Vec<i64> {
        let database = self.database();
        let mut statement = database.prepare(sql).expect("the query is well formed");
        let rows = statement.query_map([], |row| row.get(0)).expect("the query runs");
        rows.map(|row| row.expect("a number")).collect()
    }

    pub(crate) fn texts(&self, sql: &str) -> Vec<String> {
        let database = self.database();
        let mut statement = database.prepare(sql).expect("the query is well formed");
        let rows = statement.query_map([], |row| row.get(0)).expect("the query runs");
        rows.map(|row| row.expect("a text")).collect()
    }
}

/// The counters of a step over all executions of its instance.
pub(crate) fn summed(step: &StepReport) -> Counters {
    let mut all = step.before;
    all += step.counters;
    all
}

/// The report of the step with that name.
pub(crate) fn step<'r>(report: &'r JobReport, name: &str) -> &'r StepReport {
    let names: Vec<_> = report.steps.iter().map(|step| &step.name).collect();
    report
        .steps
        .iter()
        .find(|step| step.name == name)
        .unwrap_or_else(|| panic!("no step {name} among {names:?}"))
}
