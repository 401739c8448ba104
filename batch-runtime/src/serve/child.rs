//! Runs jobs in processes of their own.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use super::page::Page;
use super::request::RequestError;
use crate::definition::ExecutionId;
use crate::frontend::refusal::{Refusal, exit};
use crate::operator::{JobOperator, OperatorError};
use crate::repository::ExecutionFilter;

/// How long a request waits for the new process to record its execution.
const PATIENCE: Duration = Duration::from_secs(10);
/// The pause between two checks for the execution.
const CHECK_INTERVAL: Duration = Duration::from_millis(40);
/// How many of the last bytes of the output are read. They contain the document of `--json`.
const OUTPUT_BYTES: u64 = 16 << 20;

/// A run to start in a process of its own.
pub(super) struct Run<'a> {
    pub(super) job: &'a str,
    /// The words of the command line, such as `run load`.
    pub(super) words: Vec<OsString>,
    /// Names and values, secrets among them. They travel on standard input, which nobody else sees.
    pub(super) given: Vec<(String, String)>,
}

/// The output of an ended process.
#[derive(Debug)]
struct Ended(String);

impl Run<'_> {
    /// Starts the run, and returns its execution as soon as it is recorded; `None` if that takes too long.
    pub(super) fn start(self, page: &Page) -> Result<Option<ExecutionId>, RequestError> {
        let newest = newest(&page.operator, self.job)?;
        let log = page.logs.as_ref().map(|folder| Log::new(folder, self.job));
        let mut command = (page.command)();
        command.args(&self.words).args(["--json", "--parameters", "-"]);
        if let Some(log) = &log {
            command.arg("--log").arg(&log.unnamed);
        }
        let not_started = |error| {
            Refusal::refused("not_started", format!("the process of the job cannot be started: {error}"))
        };
        let output = output_file().map_err(not_started)?;
        command.stdout(output.try_clone().map_err(not_started)?);
        // Ctrl-C in the terminal of the server must not reach the job.
        let mut child = command.process_group(0).spawn().map_err(not_started)?;
        if let Some(mut input) = child.stdin.take() {
            // A process that has refused its arguments reads no more.
            let _ = input.write_all(object(&self.given).as_bytes());
        }
        let pid = child.id();
        let ended = follow(child, output, log.clone());
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            let ended = match ended.recv_timeout(CHECK_INTERVAL) {
                Ok(Ended(printed)) => Some(printed),
                Err(RecvTimeoutError::Disconnected) => Some(String::new()),
                Err(RecvTimeoutError::Timeout) => None,
            };
            // A short job may have ended by now. The repository knows its execution, whatever the job has printed.
            if let Some(execution) = begun(&page.operator, self.job, newest, pid)? {
                if let Some(log) = &log {
                    log.name(execution);
                }
                return Ok(Some(execution));
            }
            if let Some(printed) = ended {
                return outcome(&printed);
            }
        }
        Ok(None)
    }
}

/// The newest execution of a job.
fn newest(operator: &JobOperator, job: &str) -> Result<Option<ExecutionId>, OperatorError> {
    let filter = ExecutionFilter { job: Some(job.to_owned()), limit: Some(1), ..ExecutionFilter::default() };
    Ok(operator.executions(&filter)?.first().map(|execution| execution.id))
}

/// The execution that the process has begun.
fn begun(
    operator: &JobOperator,
    job: &str,
    newest: Option<ExecutionId>,
    pid: u32,
) -> Result<Option<ExecutionId>, OperatorError> {
    let filter = ExecutionFilter { job: Some(job.to_owned()), limit: Some(20), ..ExecutionFilter::default() };
    let found = operator.executions(&filter)?.into_iter().find(|execution| {
        Some(execution.id) > newest && execution.owner.as_ref().is_some_and(|owner| owner.pid == pid)
    });
    Ok(found.map(|execution| execution.id))
}

/// An unnamed file for the output of a job. A pipe would break when the server ends, and a job that prints would then
/// fail.
fn output_file() -> io::Result<File> {
    let path = std::env::temp_dir().join(format!("batch-{}.out", uuid::Uuid::new_v4()));
    let file = OpenOptions::new().read(true).append(true).create_new(true).mode(0o600).open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}

/// The end of the output of a process that has ended.
fn last_output(mut output: File) -> io::Result<String> {
    let length = output.metadata()?.len();
    output.seek(SeekFrom::Start(length.saturating_sub(OUTPUT_BYTES)))?;
    let mut bytes = Vec::new();
    output.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Waits for the process on a thread, so that it leaves no zombie, and then reads its output.
fn follow(mut child: Child, output: File, log: Option<Log>) -> Receiver<Ended> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let _ = child.wait();
        // Output that cannot be read is treated as empty.
        let printed = last_output(output).unwrap_or_default();
        if let (Some(log), Ok(Some(execution))) = (log, outcome(&printed)) {
            log.name(execution);
        }
        // If the process took long, the request no longer waits for it.
        let _ = sender.send(Ended(printed));
    });
    receiver
}

/// The execution that a process has run, or why it ran none.
fn outcome(printed: &str) -> Result<Option<ExecutionId>, RequestError> {
    // The document is the last thing that a process prints; its first line is the only one that begins with a brace.
    let document = printed.rfind("\n{").map_or(printed, |before| &printed[before + 1..]);
    let document: Value = serde_json::from_str(document).unwrap_or_default();
    let error = &document["error"];
    if let Some(message) = error["message"].as_str() {
        let code = error["exit"].as_u64().and_then(|code| u8::try_from(code).ok()).unwrap_or(exit::FAILED);
        let mut refusal = Refusal::refused("refused", message);
        refusal.code = code;
        return Err(refusal.into());
    }
    // A backfill prints a list of its runs, and a list of the times whose runs were refused.
    let run = if document["runs"].is_array() { &document["runs"][0] } else { &document };
    if let Some(message) = document["refused"][0]["message"].as_str().filter(|_| run.is_null()) {
        return Err(Refusal::refused("refused", message).into());
    }
    match run["execution"].as_i64() {
        Some(execution) => Ok(Some(ExecutionId(execution))),
        None => Err(Refusal::refused(
            "ended",
            "the process of the job ended without a result; its errors are in the output of the server",
        )
        .into()),
    }
}

/// The parameters as a JSON object. A name with several values has a list.
fn object(given: &[(String, String)]) -> String {
    let mut object: Map<String, Value> = Map::new();
    for (name, text) in given {
        let text = Value::from(text.as_str());
        match object.get_mut(name) {
            Some(Value::Array(texts)) => texts.push(text),
            Some(first) => *first = Value::Array(vec![first.take(), text]),
            None => {
                object.insert(name.clone(), text);
            }
        }
    }
    Value::Object(object).to_string()
}

/// The log of a run. Its file is renamed after the execution as soon as that is known.
#[derive(Debug, Clone)]
struct Log {
    folder: PathBuf,
    job: String,
    unnamed: PathBuf,
}

impl Log {
    fn new(folder: &Path, job: &str) -> Self {
        let unnamed = folder.join(format!("{job}-{}.jsonl", uuid::Uuid::new_v4()));
        Self { folder: folder.to_owned(), job: job.to_owned(), unnamed }
    }

    fn name(&self, execution: ExecutionId) {
        // A second call fails, because the file has already been renamed.
        let _ = std::fs::rename(&self.unnamed, log_file(&self.folder, &self.job, execution));
    }
}

/// The file with the log of an execution.
pub(super) fn log_file(folder: &Path, job: &str, execution: ExecutionId) -> PathBuf {
    // The repository may hold jobs of other programs, with any name.
    let job = job.replace('/', "_");
    folder.join(format!("{job}-{execution}.jsonl"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_with_several_values_become_lists() {
        let given = [("a", "1"), ("b", "x \"y\""), ("a", "2"), ("a", "3")];
        let given = given.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(object(&given), r#"{"a":["1","2","3"],"b":"x \"y\""}"#);
    }

    #[test]
    fn a_refusal_of_the_process_is_passed_on() {
        let printed = r#"{"error": {"kind": "already_running", "message": "it runs", "exit": 4}}"#;
        match outcome(printed) {
            Err(RequestError::Refused(refusal)) => {
                assert_eq!((refusal.to_string().as_str(), refusal.code), ("it runs", 4));
            }
            other => panic!("{other:?}"),
        }
        assert!(matches!(outcome(r#"{"execution": 7}"#), Ok(Some(ExecutionId(7)))));
        assert!(outcome("").is_err());
    }

    #[test]
    fn a_backfill_is_known_by_its_first_run_or_by_what_refused_it() {
        let ran = r#"{"job": "count", "runs": [{"execution": 7}, {"execution": 8}], "refused": []}"#;
        assert!(matches!(outcome(ran), Ok(Some(ExecutionId(7)))));
        let refused = r#"{"job": "count", "runs": [], "refused": [{"message": "it runs"}]}"#;
        match outcome(refused) {
            Err(RequestError::Refused(refusal)) => assert_eq!(refusal.to_string(), "it runs"),
            other => panic!("{other:?}"),
        }
        assert!(outcome(r#"{"job": "count", "runs": [], "refused": []}"#).is_err());
    }

    #[test]
    fn a_result_is_found_after_what_the_job_printed() {
        for printed in
            ["hello\n{\"execution\": 7}\n", "{odd}\n{\n  \"execution\": 7,\n  \"steps\": [\n    {}\n  ]\n}\n"]
        {
            assert!(matches!(outcome(printed), Ok(Some(ExecutionId(7)))), "{printed}");
        }
    }

    #[test]
    fn the_name_of_a_job_leads_to_no_other_folder() {
        assert_eq!(log_file(Path::new("logs"), "../a", ExecutionId(7)), Path::new("logs/.._a-7.jsonl"));
    }
}
