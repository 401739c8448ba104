//! Three jobs that implement the traits by hand, in the form to which the attributes expand, and a folder to run them
//! in.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

pub(super) use crate::cli::{answer, console::Console};
use crate::definition::*;
use crate::engine;
use crate::graph::{Activity, Node, Text, Use};
use crate::readers::IteratorReader;

/// The output of a command, and its exit code.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) code: u8,
    pub(super) out: String,
    pub(super) err: String,
}

/// A folder with a repository, removed at the end of the test.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("batch-cli-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Runs the program over `jobs` with the arguments in `line` and the folder's repository.
    pub(super) fn run(&self, jobs: &[&'static JobInfo], line: &str) -> Answer {
        self.run_with(jobs, line, |_| None)
    }

    pub(super) fn run_with(
        &self,
        jobs: &[&'static JobInfo],
        line: &str,
        environment: fn(&str) -> Option<OsString>,
    ) -> Answer {
        let repository = self.path("batch.db");
        let words = ["flights", "--repository", repository.to_str().unwrap()].into_iter();
        run(words.chain(line.split_whitespace()), jobs, environment)
    }

    pub(super) fn json(&self, jobs: &[&'static JobInfo], line: &str) -> serde_json::Value {
        let answer = self.run(jobs, &format!("{line} --json"));
        serde_json::from_str(&answer.out).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
    }

    pub(super) fn exists(&self, name: &str) -> bool {
        Path::new(&self.path(name)).exists()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[derive(Clone, Default)]
pub(super) struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Captured {
    pub(super) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

pub(super) fn run<A: Into<OsString>>(
    words: impl IntoIterator<Item = A>,
    jobs: &[&'static JobInfo],
    environment: fn(&str) -> Option<OsString>,
) -> Answer {
    let (out, err) = (Captured::default(), Captured::default());
    let console = Console { environment, ..Console::of_streams(out.clone(), err.clone()) };
    let code = answer(words, jobs, &console);
    Answer { code, out: out.text(), err: err.text() }
}

/// Reads 25 numbers, drops the even ones, and fails at the number in the parameter `fail_at`.
pub(super) enum LoadDelays {}

impl StepDefinition for LoadDelays {
    const INFO: &'static StepInfo = &StepInfo {
        id: "demo::load_delays",
        name: "load_delays",
        doc: "",
        kind: StepKind::Chunk,
        options: StepOptions::DEFAULT.chunk(10),
        components: &[],
        kinds: Some(crate::definition::position_kinds::<Self>),
        run: |run| engine::run_chunks::<Self>(run),
    };
}

struct Late {
    fail_at: Option<u64>,
}

impl Process<u64> for Late {
    type Out = u64;

    fn process(&mut self, item: u64, out: &mut impl Sink<u64>) -> Result<(), Failure> {
        if self.fail_at == Some(item) {
            return Err(Failure::new(format!("no carrier in item {item}"))
                .in_component("late")
                .during(Phase::Process));
        }
        if item % 2 == 1 { out.push(item) } else { Ok(()) }
    }
}

struct Nowhere;

impl Writer for Nowhere {
    type Item = u64;
    type Position = ();
    type Error = std::convert::Infallible;

    fn write(&mut self, _: &[u64], _: &ChunkTransaction<'_>) -> Result<(), Self::Error> {
        Ok(())
    }

    fn position(&self) {}
}

impl Pipe for LoadDelays {
    type In = u64;
    type Out = u64;

    fn reader<'s>(_: &Scope<'s>) -> Result<impl Reader<Item = u64> + 's + use<'s>, Failure> {
        Ok(IteratorReader::new(1..=25))
    }

    fn processor<'s>(scope: &Scope<'s>) -> Result<impl Process<u64, Out = u64> + 's + use<'s>, Failure> {
        Ok(Late { fail_at: scope.parameter("fail_at")? })
    }

    fn writer<'s>(_: &Scope<'s>) -> Result<impl Writer<Item = u64> + 's + use<'s>, Failure> {
        Ok(Nowhere)
    }
}

/// Does nothing.
pub(super) enum Summarise {}

impl StepDefinition for Summarise {
    const INFO: &'static StepInfo = &StepInfo {
        id: "demo::summarise",
        name: "summarise",
        doc: "",
        kind: StepKind::Tasklet,
        options: StepOptions::DEFAULT,
        components: &[],
        kinds: None,
        run: |run| engine::run_tasklet::<Self>(run),
    };
}

impl Tasklet for Summarise {
    type State = ();
    type Value = Ended;
    const TRANSACTIONAL: bool = false;

    fn call(_: &Scope<'_>, _: &ChunkTransaction<'_>, (): &mut ()) -> Result<TaskletCall<Ended>, Failure> {
        Ok(TaskletCall::Done(Ended::Completed))
    }

    fn output(_: &Ended) -> Result<Option<String>, Failure> {
        Ok(None)
    }
}

const fn step(info: &'static StepInfo) -> Node {
    Node::Run(Use { name: info.name, activity: Activity::Step(info), bindings: &[] })
}

/// Two steps and parameters of several kinds.
pub(super) const FLIGHT_DELAYS: &JobInfo = &JobInfo {
    id: "demo::flight_delays",
    name: "flight_delays",
    doc: " Loads the late flights of a year and ranks the carriers.\n\n A flight is late if its delay is at least `min_delay` minutes.",
    parameters: &[
        ParameterSpec::of::<PathBuf>("input", " CSV file of flights"),
        ParameterSpec {
            default: Some(|| 15_i64.to_value()),
            ..ParameterSpec::of::<i64>("min_delay", " Delay in minutes from which a flight counts as late")
        },
        ParameterSpec {
            identifying: false,
            ..ParameterSpec::of::<Option<u64>>("fail_at", " Fails at the item with this number")
        },
        ParameterSpec {
            default: Some(|| false.to_value()),
            identifying: false,
            ..ParameterSpec::of::<bool>("dry_run", "")
        },
    ],
    flow: &[step(LoadDelays::INFO), step(Summarise::INFO)],
    options: JobOptions::DEFAULT,
};

/// A job with a secret, and with a parameter that has the name of a flag of the program (`--json`).
pub(super) const UPLOAD: &JobInfo = &JobInfo {
    id: "demo::upload",
    name: "upload",
    doc: " Uploads the ranking.",
    parameters: &[
        ParameterSpec { secret: true, ..ParameterSpec::of::<String>("api_key", " Opens the door") },
        ParameterSpec {
            values: &["fast", "safe"],
            ..ParameterSpec::of::<Option<String>>("json", " How the ranking is sent")
        },
    ],
    flow: &[
        step(Summarise::INFO),
        Node::Stop(Text::plain("look at the ranking")),
        Node::End("UPLOADED", Text::NONE),
    ],
    options: JobOptions::DEFAULT.restartable(true),
};

/// A job that cannot be restarted.
pub(super) const ONCE: &JobInfo = &JobInfo {
    id: "demo::once",
    name: "once",
    doc: "",
    parameters: &[],
    flow: &[Node::Fail(Text::plain("nothing to do"))],
    options: JobOptions::DEFAULT.restartable(false),
};
