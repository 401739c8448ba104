//! `metrics`: the totals over the executions of all hosts, in the text format of Prometheus.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Command;

use batch_runtime::prelude::*;
use batch_runtime::{JobDefinition, JobInfo};

#[derive(Debug, thiserror::Error)]
#[error("{0} is bad")]
struct Bad(u32);

#[reader]
fn numbers() -> impl Iterator<Item = u32> {
    0..20
}

#[processor]
fn odd(number: u32, fail_at: Option<u32>) -> Result<Option<u32>, Bad> {
    match number {
        number if number == 4 || fail_at == Some(number) => Err(Bad(number)),
        number => Ok((number % 2 == 1).then_some(number)),
    }
}

#[writer]
fn save(numbers: &[u32]) {
    let _ = numbers;
}

#[step(chunk = 5, skip(Bad, limit = 1))]
fn load() {
    numbers | odd | save
}

#[partitioner]
fn halves() -> Vec<(String, u32)> {
    vec![("low".to_owned(), 0), ("high".to_owned(), 20)]
}

#[reader]
fn half(first: &Partition<u32>) -> impl Iterator<Item = u32> {
    let first = **first;
    first..first + 20
}

#[step(chunk = 5, partitioner = halves)]
fn parted() {
    half | save
}

#[step]
fn turn() {}

#[decider]
fn more(job: &JobContext) -> Result<bool, Failure> {
    let turns: u32 = job.get("turns")?.unwrap_or(0);
    job.put("turns", &(turns + 1))?;
    Ok(turns < 3)
}

/// Counts some.
#[job]
fn count(#[param(identifying = false)] fail_at: Option<u32>) {
    load;
    parted;
    while more {
        turn;
    }
    end!("SOME \"ODD\" \\ ONES");
}

#[job]
fn wait() {
    die;
}

#[step]
fn die() {
    if std::env::var_os("DIES").is_some() {
        std::process::abort();
    }
}

const JOBS: [&JobInfo; 2] = [<count as JobDefinition>::INFO, <wait as JobDefinition>::INFO];

/// Runs a command, which has to end with that code, and returns what it prints.
fn ask(repository: &str, line: &str, expected: u8) -> String {
    let words = ["program", "--repository", repository].into_iter().chain(line.split_whitespace());
    let out = crate::Kept::default();
    let code = crate::run_from(words, &JOBS, out.clone(), std::io::stderr());
    assert_eq!(code, expected, "{line}");
    out.text()
}

/// Samples by name and labels.
pub(super) type Samples = BTreeMap<(String, BTreeMap<String, String>), f64>;

/// Reads the text format of Prometheus, and fails at anything that a server would refuse.
pub(super) fn parsed(text: &str) -> Samples {
    let is_name = |name: &str| {
        let first = name.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
        first && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    assert!(text.ends_with('\n'));
    let (mut samples, mut helps, mut types) = (Samples::new(), BTreeSet::new(), BTreeMap::new());
    let mut current = String::new();
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').unwrap();
            assert!(is_name(name) && !help.is_empty() && helps.insert(name), "{line}");
            name.clone_into(&mut current);
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert!(["counter", "gauge", "summary"].contains(&kind), "{line}");
            assert!(name == current && types.insert(name, kind).is_none(), "{line}");
        } else {
            let (sample, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = match sample.split_once('{') {
                Some((name, labels)) => (name, labels_of(labels.strip_suffix('}').unwrap())),
                None => (sample, BTreeMap::new()),
            };
            // All samples of a metric follow its type.
            let of_summary = types[&*current] == "summary"
                && [format!("{current}_count"), format!("{current}_sum")].iter().any(|of| of == name);
            assert!(is_name(name) && (name == current || of_summary), "{line}");
            assert!(labels.keys().all(|label| is_name(label)), "{line}");
            let is_new = samples.insert((name.to_owned(), labels), value.parse().unwrap()).is_none();
            assert!(is_new, "{line}");
        }
    }
    samples
}

fn labels_of(text: &str) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (label, after) = rest.split_once("=\"").unwrap();
        let (mut value, mut chars) = (String::new(), after.char_indices());
        let end = loop {
            match chars.next().unwrap() {
                (at, '"') => break at,
                (_, '\\') => value.push(match chars.next().unwrap().1 {
                    'n' => '\n',
                    c @ ('\\' | '"') => c,
                    c => panic!("\\{c} is not an escape"),
                }),
                (_, c) => value.push(c),
            }
        };
        assert!(labels.insert(label.to_owned(), value).is_none(), "{text}");
        rest = after[end + 1..].strip_prefix(',').unwrap_or(&after[end + 1..]);
    }
    labels
}

#[track_caller]
fn value(samples: &Samples, name: &str, labels: &[(&str, &str)]) -> f64 {
    let of = labels.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned())).collect();
    *samples.get(&(name.to_owned(), of)).unwrap_or_else(|| panic!("no {name} {labels:?} in {samples:#?}"))
}

#[expect(clippy::float_cmp, reason = "counts are whole numbers")]
fn tells_all(repository: &str) {
    ask(repository, "run count -q --fail-at 17", 1);
    ask(repository, "run count -q", 0);
    let started = jiff::Timestamp::now().as_second();
    ask(repository, "run count -q --next", 0);
    ask(repository, "run wait -q", 0);
    let text = ask(repository, "metrics", 0);
    let samples = parsed(&text);
    assert_eq!(value(&samples, "spring_batch_job_launch_count_total", &[]), 4.0);
    let odd = "SOME \"ODD\" \\ ONES";
    let of_job = |status| [("spring_batch_job_name", "count"), ("spring_batch_job_status", status)];
    assert_eq!(value(&samples, "spring_batch_job_seconds_count", &of_job("FAILED")), 1.0);
    assert_eq!(value(&samples, "spring_batch_job_seconds_count", &of_job(odd)), 2.0);
    // A count that appears only with the first failure would not show an increase to Prometheus.
    let never_failed = [("spring_batch_job_name", "wait"), ("spring_batch_job_status", "FAILED")];
    assert_eq!(value(&samples, "spring_batch_job_seconds_count", &never_failed), 0.0);
    let (sum, longest) = (
        value(&samples, "spring_batch_job_seconds_sum", &of_job(odd)),
        value(&samples, "spring_batch_job_seconds_max", &of_job(odd)),
    );
    assert!(longest > 0.0 && longest < sum && sum < 60.0, "{sum} {longest}");
    let last = value(&samples, "batch_job_last_success_timestamp_seconds", &[("job", "count")]);
    #[expect(clippy::cast_precision_loss, reason = "it is small enough")]
    let started = started as f64;
    assert!(last >= started && last < started + 60.0, "{last}");
    let peak = value(&samples, "batch_job_peak_memory_bytes", &[("job", "count")]);
    assert!(peak > 1e6 && peak < 1e10, "{peak}");

    let of_step = |step, status| {
        [
            ("spring_batch_step_name", step),
            ("spring_batch_step_job_name", "count"),
            ("spring_batch_step_status", status),
        ]
    };
    let steps = [
        ("load", "FAILED", 1.0),
        ("load", "COMPLETED", 2.0),
        ("parted", "COMPLETED", 2.0),
        ("turn", "COMPLETED", 6.0),
    ];
    for (step, status, many) in steps {
        assert_eq!(
            value(&samples, "spring_batch_step_seconds_count", &of_step(step, status)),
            many,
            "{step}"
        );
    }
    // No partition and no iteration of a loop has a name of its own.
    assert!(!text.contains(":partition") && !text.contains('['), "{text}");

    let items = |step, kind| {
        value(&samples, "batch_step_items_total", &[("job", "count"), ("step", step), ("kind", kind)])
    };
    // The failed execution has committed 15, and its restart the rest.
    assert_eq!(
        [items("load", "read"), items("load", "write"), items("load", "process_skip")],
        [40.0, 20.0, 2.0]
    );
    assert_eq!(items("load", "filter"), 18.0);
    assert_eq!([items("parted", "read"), items("parted", "write"), items("turn", "read")], [80.0, 80.0, 0.0]);

    let of_phase = |prefix: &str, step: &str, status: &str, end: &str| {
        let labels = ["job_name", "step_name", "status"].map(|label| format!("{prefix}_{label}"));
        let labels = [(&*labels[0], "count"), (&*labels[1], step), (&*labels[2], status)];
        value(&samples, &format!("{prefix}_seconds_{end}"), &labels)
    };
    assert_eq!(of_phase("spring_batch_item_read", "load", "SUCCESS", "count"), 40.0);
    assert_eq!(of_phase("spring_batch_item_process", "load", "SUCCESS", "count"), 38.0);
    assert_eq!(of_phase("spring_batch_item_process", "load", "FAILURE", "count"), 2.0);
    assert_eq!(of_phase("spring_batch_item_read", "parted", "SUCCESS", "count"), 80.0);
    assert!(of_phase("spring_batch_chunk_write", "parted", "SUCCESS", "count") >= 16.0);
    for prefix in ["spring_batch_item_read", "spring_batch_item_process", "spring_batch_chunk_write"] {
        let time = of_phase(prefix, "load", "SUCCESS", "sum");
        assert!(time > 0.0 && time < 60.0, "{prefix}: {time}");
    }
}

/// The metrics of a repository in which every metric has samples.
pub(super) fn of_every_kind() -> String {
    let folder = tempfile::tempdir().unwrap();
    let repository = folder.path().join("batch.db").to_str().unwrap().to_owned();
    ask(&repository, "run count -q --fail-at 17", 1);
    ask(&repository, "run count -q", 0);
    die_in("metrics::an_execution_whose_owner_died_is_counted_until_it_is_recovered", &repository);
    ask(&repository, "metrics", 0)
}

/// Runs that test again, as a process that dies in a step.
fn die_in(test: &str, repository: &str) {
    let program = std::env::current_exe().unwrap();
    let died = Command::new(program).args([test, "--exact"]).env("DIES", repository).output().unwrap();
    assert!(!died.status.success());
}

#[test]
fn all_executions_are_counted_under_the_names_that_spring_batch_dashboards_know() {
    let folder = tempfile::tempdir().unwrap();
    tells_all(folder.path().join("batch.db").to_str().unwrap());
}

#[cfg(feature = "postgres")]
#[test]
fn a_repository_in_postgresql_has_the_same_metrics() {
    let Some(database) = batch_tests::postgres::database() else { return };
    tells_all(database.url());
}

#[test]
fn an_empty_repository_has_metrics_without_samples() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("batch.db");
    batch_runtime::repository::sqlite::SqliteRepository::open(&path).unwrap();
    let samples = parsed(&ask(path.to_str().unwrap(), "metrics", 0));
    assert_eq!(samples.len(), 1, "{samples:?}");
}

#[test]
fn an_execution_whose_owner_died_is_counted_until_it_is_recovered() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("batch.db");
    let repository = path.to_str().unwrap();
    // This test runs itself again, as a process that dies in the step.
    let name = "metrics::an_execution_whose_owner_died_is_counted_until_it_is_recovered";
    if let Some(repository) = std::env::var_os("DIES") {
        ask(repository.to_str().unwrap(), "run wait -q", 0);
    }
    die_in(name, repository);
    let active = [("spring_batch_job_active_name", "wait")];
    let samples = parsed(&ask(repository, "metrics", 0));
    assert!(value(&samples, "spring_batch_job_active_seconds_active_count", &active) > 0.0);
    assert!(value(&samples, "spring_batch_job_active_seconds_duration_sum", &active) >= 0.0);
    assert!(value(&samples, "batch_owner_dead", &[("job", "wait")]) > 0.0);
    ask(repository, "recover -q", 0);
    let samples = parsed(&ask(repository, "metrics", 0));
    assert!(samples.keys().all(|(name, _)| name != "batch_owner_dead" && !name.contains("active")));
    let lost = [("spring_batch_job_name", "wait"), ("spring_batch_job_status", "OWNER_LOST")];
    assert!(value(&samples, "spring_batch_job_seconds_count", &lost) > 0.0);
}

#[cfg(feature = "schedule")]
#[test]
fn a_job_that_nothing_runs_is_overdue_unless_its_schedule_is_paused() {
    use batch_runtime::Timestamp;
    use batch_runtime::repository::Repository;
    use batch_runtime::repository::sqlite::SqliteRepository;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("batch.db");
    let repository = SqliteRepository::open(&path).unwrap();
    let now = Timestamp::now();
    let long_ago = "2020-01-01T00:00:00Z".parse().unwrap();
    repository.see_schedule("late", "0 3 * * *", "Asia/Seoul", long_ago).unwrap();
    repository.see_schedule("paused", "0 3 * * *", "Asia/Seoul", long_ago).unwrap();
    assert!(repository.pause_schedule("paused", true, now).unwrap());
    repository.see_schedule("on_time", "0 3 1 1 *", "Asia/Seoul", now).unwrap();
    let samples = parsed(&ask(path.to_str().unwrap(), "metrics", 0));
    let overdue = |job| value(&samples, "batch_schedule_overdue_seconds", &[("job", job)]);
    assert!(overdue("late") > 5.0 * 365.0 * 86_400.0, "{}", overdue("late"));
    assert!(overdue("paused") == 0.0 && overdue("on_time") == 0.0);
}

#[test]
fn a_textfile_is_replaced_as_a_whole() {
    let folder = tempfile::tempdir().unwrap();
    let (path, file) = (folder.path().join("batch.db"), folder.path().join("batch.prom"));
    let repository = path.to_str().unwrap();
    ask(repository, "run wait -q", 0);
    std::fs::write(&file, "old").unwrap();
    let before = std::fs::File::open(&file).unwrap();
    let said = ask(repository, &format!("metrics --textfile {}", file.display()), 0);
    assert_eq!(said, format!("wrote the metrics to {}\n", file.display()));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), ask(repository, "metrics", 0));
    // A reader that opened the old file reads the old text.
    assert_eq!(std::io::read_to_string(before).unwrap(), "old");
    let names: BTreeSet<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(names.iter().all(|name| !name.to_str().unwrap().contains("part")), "{names:?}");
}

#[test]
fn a_textfile_that_a_link_leads_to_is_replaced_and_keeps_its_mode() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("batch.db");
    let repository = path.to_str().unwrap();
    ask(repository, "run wait -q", 0);
    // The longest name that file systems allow.
    let (target, link) = (folder.path().join("n".repeat(255)), folder.path().join("batch.prom"));
    std::fs::write(&target, "old").unwrap();
    std::fs::set_permissions(&target, Permissions::from_mode(0o640)).unwrap();
    symlink(&target, &link).unwrap();
    ask(repository, &format!("metrics --textfile {}", link.display()), 0);
    assert!(link.is_symlink());
    assert_eq!(std::fs::read_to_string(&target).unwrap(), ask(repository, "metrics", 0));
    assert_eq!(std::fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(
        std::fs::read_dir(folder.path())
            .unwrap()
            .filter(|entry| { entry.as_ref().unwrap().path().extension().is_some_and(|of| of == "part") })
            .count(),
        0
    );
}

#[test]
fn a_textfile_that_cannot_be_written_is_named_and_an_old_one_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("batch.db");
    let repository = path.to_str().unwrap();
    ask(repository, "run wait -q", 0);
    let file = folder.path().join("missing/batch.prom");
    let kept = crate::Kept::default();
    let words = ["program", "--repository", repository, "metrics", "--textfile", file.to_str().unwrap()];
    let code = crate::run_from(words, &JOBS, std::io::sink(), kept.clone());
    let expected = format!(
        "error: `--textfile`: cannot write {}: the folder {} does not exist; create it, or name another file\n",
        file.display(),
        file.parent().unwrap().display()
    );
    assert_eq!((code, kept.text()), (2, expected));
}

#[test]
fn the_metrics_are_a_json_document_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("batch.db");
    let repository = path.to_str().unwrap();
    ask(repository, "run wait -q", 0);
    let document: serde_json::Value = serde_json::from_str(&ask(repository, "metrics --json", 0)).unwrap();
    assert_eq!(document["textfile"], serde_json::Value::Null);
    parsed(document["metrics"].as_str().unwrap());
}
