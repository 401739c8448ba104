//! `--log`: what a component logs carries the job, the execution and the step, whichever thread runs the component.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::rc::Rc;

use batch_runtime::JobInfo;
use batch_runtime::prelude::*;
use serde_json::Value;

#[reader]
fn numbers() -> impl Iterator<Item = u32> {
    (0..40).inspect(|number| tracing::info!(number, "numbers"))
}

/// Reads on a thread of its own.
#[reader]
fn staying() -> impl Iterator<Item = u32> {
    let here = Rc::new(());
    (0..40).inspect(move |number| {
        let _ = &here;
        tracing::info!(number, "staying");
    })
}

/// Reads ahead on a thread of its own.
#[reader]
fn early() -> impl Reader<Item = u32> {
    VecReader::new((0..40).collect::<Vec<u32>>())
        .inspect(|number| tracing::info!(number, "early"))
        .prefetch(8)
}

#[processor]
fn double(number: u32) -> u32 {
    tracing::info!(number, "double");
    2 * number
}

#[processor(concurrency = 3)]
fn pooled(number: u32) -> u32 {
    tracing::info!(number, "pooled");
    number
}

#[cfg(feature = "async")]
#[processor(concurrency = 3)]
async fn awaited(number: u32) -> u32 {
    tokio::task::yield_now().await;
    tracing::info!(number, "awaited");
    number
}

#[cfg(not(feature = "async"))]
#[processor]
fn awaited(number: u32) -> u32 {
    tracing::info!(number, "awaited");
    number
}

#[writer]
fn save(numbers: &[u32]) {
    tracing::info!(items = numbers.len(), "save");
}

#[listener(after_step)]
fn hear(_: &Counters, _: Option<&Failure>) {
    tracing::info!("hear");
}

#[step(chunk = 7, listeners(hear))]
fn alone() {
    numbers | double | save
}

#[step(chunk = 7, threads = 3)]
fn threaded() {
    numbers | double | save
}

#[step(chunk = 7, threads = 3)]
fn threaded_beside_reader() {
    staying | double | save
}

#[step(chunk = 7)]
fn reading_ahead() {
    early | awaited | pooled | save
}

#[partitioner]
fn halves() -> Vec<(String, u32)> {
    tracing::info!("halves");
    vec![("low".to_owned(), 0), ("high".to_owned(), 20)]
}

#[reader]
fn half(first: &Partition<u32>) -> impl Iterator<Item = u32> {
    let first = **first;
    (first..first + 20).inspect(|number| tracing::info!(number, "half"))
}

#[step(chunk = 7, partitioner = halves)]
fn parted() {
    half | pooled | save
}

#[step]
fn tell() {
    tracing::info!("tell");
}

#[decider]
fn is_late() -> bool {
    tracing::info!("is_late");
    true
}

#[job]
fn within() {
    tell;
    threaded;
}

#[job]
fn everywhere() {
    split! { alone, threaded, threaded_beside_reader, { reading_ahead; tell; } }
    match is_late {
        true => parted,
        false => {}
    }
    within;
}

const EVERYWHERE: &JobInfo = <everywhere as batch_runtime::JobDefinition>::INFO;

/// A folder, and the lines that a command logs in it.
struct Logged(tempfile::TempDir);

impl Logged {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, job: &'static JobInfo, more: &[&str]) -> (u8, Vec<Value>) {
        let (repository, log) = (self.path("batch.db"), self.path("log.jsonl"));
        let words = ["program", "run", job.name, "-q", "--repository", repository.to_str().unwrap()];
        let log_words = ["--log", log.to_str().unwrap()];
        let words = words.iter().chain(&log_words).chain(more);
        let code = crate::run_from(words, &[job], std::io::sink(), std::io::stderr());
        let text = std::fs::read_to_string(log).unwrap_or_default();
        (code, text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
    }
}

/// A step, and the execution and job that it belongs to.
type Place = (&'static str, (i64, &'static str));

/// The lines with that message.
fn of<'l>(lines: &'l [Value], message: &str) -> Vec<&'l Value> {
    lines.iter().filter(|line| line["message"] == message).collect()
}

#[test]
fn what_a_component_logs_on_any_thread_carries_the_execution_and_the_step() {
    let logged = Logged::new();
    let (code, lines) = logged.run(EVERYWHERE, &[]);
    assert_eq!(code, 0);
    let database = rusqlite::Connection::open(logged.path("batch.db")).unwrap();
    let id_of = |step: &str, execution: i64| -> i64 {
        let query = "SELECT STEP_EXECUTION_ID FROM BATCH_STEP_EXECUTION WHERE STEP_NAME = ?1 AND JOB_EXECUTION_ID = ?2";
        database.query_row(query, (step, execution), |row| row.get(0)).unwrap()
    };
    let (outer, inner) = ((1, "everywhere"), (2, "within"));
    let expected: [(&str, usize, &[Place]); 11] = [
        ("numbers", 120, &[("alone", outer), ("threaded", outer), ("threaded", inner)]),
        (
            "double",
            160,
            &[("alone", outer), ("threaded", outer), ("threaded_beside_reader", outer), ("threaded", inner)],
        ),
        ("staying", 40, &[("threaded_beside_reader", outer)]),
        ("early", 40, &[("reading_ahead", outer)]),
        ("awaited", 40, &[("reading_ahead", outer)]),
        ("pooled", 80, &[("reading_ahead", outer), ("parted", outer)]),
        ("half", 40, &[("parted", outer)]),
        (
            "save",
            6 + 6 + 6 + 6 + 6 + 6,
            &[
                ("alone", outer),
                ("threaded", outer),
                ("threaded_beside_reader", outer),
                ("reading_ahead", outer),
                ("parted", outer),
                ("threaded", inner),
            ],
        ),
        ("halves", 1, &[("parted", outer)]),
        ("hear", 1, &[("alone", outer)]),
        ("tell", 2, &[("tell", outer), ("tell", inner)]),
    ];
    for (component, times, places) in expected {
        let said = of(&lines, component);
        assert_eq!(said.len(), times, "{component}");
        let mut found = BTreeSet::new();
        for line in said {
            let (step, execution) = (line["step"].as_str().unwrap(), line["execution"].as_i64().unwrap());
            let path = match line["partition"].as_i64() {
                Some(partition) => format!("{step}:partition{partition}"),
                None => step.to_owned(),
            };
            assert_eq!(line["step_execution"], id_of(&path, execution), "{line}");
            found.insert((step, (execution, line["job"].as_str().unwrap())));
        }
        assert_eq!(found, places.iter().copied().collect(), "{component}");
    }
    let decided = of(&lines, "is_late");
    assert_eq!((&decided[0]["execution"], &decided[0]["step"]), (&1.into(), &Value::Null));
    let partitions: BTreeSet<_> = of(&lines, "half").iter().map(|line| line["partition"].as_i64()).collect();
    assert_eq!(partitions.len(), 2);
    let on = |message| -> BTreeSet<_> {
        of(&lines, message).iter().filter_map(|line| line["thread"].as_str()).collect()
    };
    assert!(
        on("double").contains("worker of threaded")
            && on("staying").contains("reader of threaded_beside_reader")
    );
    assert!(on("pooled").contains("batch-pool"), "{:?}", on("pooled"));
}

#[test]
fn the_log_tells_the_life_of_the_job_and_of_its_steps() {
    let (code, lines) = Logged::new().run(<within as batch_runtime::JobDefinition>::INFO, &[]);
    assert_eq!(code, 0);
    let told: Vec<_> = lines
        .iter()
        .filter(|line| line["target"].as_str().unwrap().starts_with("batch_runtime"))
        .map(|line| (line["message"].as_str().unwrap(), line["step"].as_str().unwrap_or_default()))
        .collect();
    let expected = [
        ("job started", ""),
        ("step started", "tell"),
        ("step ended", "tell"),
        ("step started", "threaded"),
        ("step ended", "threaded"),
        ("job ended", ""),
    ];
    assert_eq!(told, expected);
    let ended = of(&lines, "step ended");
    assert_eq!((&ended[1]["read"], &ended[1]["written"]), (&40.into(), &40.into()));
    assert_eq!(ended[1]["status"], "COMPLETED");
}

#[test]
fn a_filter_that_leaves_events_out_leaves_the_place_in() {
    let (code, lines) = Logged::new().run(EVERYWHERE, &["--log-filter", "off,observe=info"]);
    assert_eq!(code, 0);
    assert!(of(&lines, "job started").is_empty());
    assert!(!lines.is_empty() && lines.iter().all(|line| line["execution"].is_i64()));
    assert!(of(&lines, "double").iter().all(|line| line["step"].is_string()));
}

#[test]
fn a_chunk_is_named_only_at_the_level_trace() {
    let job = <within as batch_runtime::JobDefinition>::INFO;
    let (_, lines) = Logged::new().run(job, &[]);
    assert!(lines.iter().all(|line| line["chunk"].is_null()));
    let (_, lines) = Logged::new().run(job, &["--log-filter", "trace"]);
    let chunks = |message| -> BTreeSet<_> {
        of(&lines, message).iter().filter_map(|line| line["chunk"].as_u64()).collect()
    };
    assert_eq!(chunks("save"), (0..6).collect());
    assert_eq!(chunks("double"), (0..6).collect());
}

#[test]
fn a_second_run_appends_to_the_log_of_the_first() {
    let logged = Logged::new();
    logged.run(EVERYWHERE, &[]);
    let (_, lines) = logged.run(EVERYWHERE, &["--next"]);
    let executions: BTreeSet<_> =
        of(&lines, "job started").iter().map(|line| line["execution"].as_i64().unwrap()).collect();
    assert_eq!(executions, BTreeSet::from([1, 2, 3, 4]));
}

#[test]
fn a_log_may_be_standard_error() {
    let logged = Logged::new();
    let repository = logged.path("batch.db");
    let (job, err) = (<within as batch_runtime::JobDefinition>::INFO, crate::Kept::default());
    let words =
        ["program", "run", "-q", "--repository", repository.to_str().unwrap(), "--log", "/dev/stderr"];
    assert_eq!(crate::run_from(words, &[job], std::io::sink(), err.clone()), 0);
    let text = err.text();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(of(&lines, "double").len(), 40);
}
