//! The jobs of the program `shapes`, each with its inputs and command line, and a folder to run it in.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A job of `tests/programs/shapes.rs`.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) job: &'static str,
    /// Its parameters; every file is in the folder it runs in.
    arguments: &'static str,
    /// True if steps run in parallel: the journal entries of each step are then in order, but not those of all steps
    /// together.
    pub(crate) side_by_side: bool,
    /// True if a kill may change the borders of chunks: their contents stay the same, but not their number.
    pub(crate) in_parts: bool,
    /// True if chunks are committed in any order: rows and skips are the same, but not their order.
    pub(crate) in_any_order: bool,
    /// The program that restarts it, if that is a different one.
    other: Option<&'static str>,
}

const fn shape(job: &'static str, arguments: &'static str) -> Shape {
    Shape { job, arguments, side_by_side: false, in_parts: false, in_any_order: false, other: None }
}

const fn side_by_side(job: &'static str, arguments: &'static str) -> Shape {
    Shape { side_by_side: true, ..shape(job, arguments) }
}

const fn in_parts(job: &'static str, arguments: &'static str) -> Shape {
    Shape { in_parts: true, ..shape(job, arguments) }
}

/// All shapes.
pub(crate) static SHAPES: [Shape; 23] = [
    shape("csv_to_csv", "--input in.csv --output out.csv"),
    shape("csv_to_table", "--input in.csv"),
    shape("csv_to_warehouse", "--input in.csv --warehouse-path warehouse.db"),
    shape("json_lines", "--lines-input in.jsonl --output out.jsonl"),
    shape("async_calls", "--input in.csv --output out.csv"),
    shape("thread_pool", "--input in.csv --output out.csv"),
    shape("two_writers", "--input in.csv --output out.csv"),
    shape("state", "--input in.csv --output out.csv"),
    shape("repeat", ""),
    shape("control_flow", "--input in.csv"),
    shape("nested", "--input in.csv --output out.csv"),
    shape("output", "--input in.csv --output out.csv"),
    shape("compressed", "--zipped-input in.csv.zst --zipped-lines-input in.jsonl.gz --output out.csv"),
    shape(
        "zipped_output",
        "--bad-input bad.csv --input in.csv --output out.csv.zst --lines-output out.jsonl.gz",
    ),
    shape("many_files", "--bad-input bad.csv --input in.csv --folder ."),
    side_by_side("split", "--input in.csv --output out.csv --lines-input in.jsonl --lines-output out.jsonl"),
    shape("partitions", "--input in.csv --output out.csv"),
    side_by_side("partitions_at_once", "--input in.csv --output out.csv"),
    shape("skip", "--bad-input bad.csv --output out.csv"),
    shape("retry", "--input in.csv --output out.csv"),
    in_parts("parts", "--bad-input bad.csv --output out.csv"),
    Shape {
        other: Some(env!("CARGO_BIN_EXE_shapes_threads")),
        ..shape("threaded", "--bad-input bad.csv --output out.csv")
    },
    Shape {
        in_any_order: true,
        other: Some(env!("CARGO_BIN_EXE_shapes_threads")),
        ..shape("unordered", "--bad-input bad.csv")
    },
];

/// The indices of the shapes named in `CRASH_SHAPES`; all of them if it is not set.
pub(crate) fn chosen() -> Vec<usize> {
    let names = std::env::var("CRASH_SHAPES").unwrap_or_default();
    let is_asked = |shape: &Shape| names.is_empty() || names.split(',').any(|name| name == shape.job);
    (0..SHAPES.len()).filter(|shape| is_asked(&SHAPES[*shape])).collect()
}

impl Shape {
    /// The program of the run with that number, from 0. If there is another program, it runs every second time.
    pub(crate) fn program(&self, run: usize) -> &'static str {
        self.other.filter(|_| run % 2 == 1).unwrap_or(PROGRAM)
    }

    /// The arguments after the program's name.
    pub(crate) fn words(&self) -> Vec<&'static str> {
        ["run", self.job, "--quiet"].into_iter().chain(self.arguments.split_whitespace()).collect()
    }
}

/// The compiled program.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_shapes");

/// The inputs of the shapes.
#[derive(Debug)]
pub(crate) struct Inputs(Vec<(&'static str, Vec<u8>)>);

impl Inputs {
    /// Files of this many records.
    pub(crate) fn of(rows: u32) -> Self {
        let regions = ["north", "\"south, or so\"", "east", "\"the \"\"west\"\"\""];
        let header = b"id,region,cents\n".to_vec();
        let (mut table, mut bad, mut lines) = (header.clone(), header, Vec::new());
        for id in 1..=rows {
            let cents = id * 7_919 % 1_000 + 1;
            let (region, place) = (regions[id as usize % 4], id % 3);
            writeln!(table, "{id},{region},{cents}").expect("writing to memory cannot fail");
            let amount = if id % 9 == 2 { "many".to_owned() } else { cents.to_string() };
            writeln!(bad, "{id},{region},{amount}").expect("writing to memory cannot fail");
            let line = format!(r#"{{"id":{id},"region":"r\u00e9gion {place}","cents":{cents}}}"#);
            writeln!(lines, "{line}").expect("writing to memory cannot fail");
        }
        let zstd = zstd::encode_all(table.as_slice(), 1).expect("writing to memory cannot fail");
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&lines).expect("writing to memory cannot fail");
        let gzip = gzip.finish().expect("writing to memory cannot fail");
        Self(vec![
            ("bad.csv", bad),
            ("in.csv", table),
            ("in.jsonl", lines),
            ("in.csv.zst", zstd),
            ("in.jsonl.gz", gzip),
        ])
    }

    fn write(&self, folder: &Path) {
        for (name, bytes) in &self.0 {
            fs::write(folder.join(name), bytes).expect("the folder is writable");
        }
    }
}

/// The folder of one point, removed afterwards unless it is kept.
#[derive(Debug)]
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    /// In memory if possible, because these tests do not cover a crash of the machine.
    pub(crate) fn new(inputs: &Inputs) -> Self {
        let memory = Path::new("/dev/shm");
        let parent = if memory.is_dir() { memory.to_path_buf() } else { std::env::temp_dir() };
        let folder =
            tempfile::Builder::new().prefix("crash-").tempdir_in(parent).expect("a temporary folder");
        let folder = Self(folder);
        fs::create_dir(folder.world()).expect("the folder is new");
        inputs.write(&folder.world());
        folder
    }

    /// Where the job runs.
    pub(crate) fn world(&self) -> PathBuf {
        self.0.path().join("world")
    }

    /// A file next to that folder.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Prepares a command to run in it; its output goes into the file `said`.
    pub(crate) fn enter<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        let said = File::create(self.beside("said")).expect("the folder is writable");
        let also = said.try_clone().expect("a file of our own");
        command.current_dir(self.world()).env_remove("BATCH_REPOSITORY").stdout(also).stderr(said)
    }

    /// Moves the output of the command that is still running aside, so that another one can run.
    pub(crate) fn set_said_aside(&self) -> PathBuf {
        let aside = self.beside("said before");
        fs::rename(self.beside("said"), &aside).expect("a command runs");
        aside
    }

    /// The output of the last command.
    pub(crate) fn said(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.beside("said")).unwrap_or_default()).into_owned()
    }

    /// Keeps the folder for inspection.
    pub(crate) fn keep(self) -> PathBuf {
        self.0.keep()
    }
}
