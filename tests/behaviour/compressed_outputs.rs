//! Files whose names end in `.gz` or `.zst` are written in members, one per chunk: they restart, roll back and merge as
//! plain ones do.

use std::io::Read as _;
use std::path::Path;
use std::process::Command;

use batch_runtime::prelude::*;
use batch_runtime::readers::JsonLinesReader;
use batch_runtime::writers::JsonLinesWriter;

use crate::support::{World, step};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Note {
    id: u32,
    text: String,
}

#[reader]
fn notes(input: PathBuf) -> Result<CsvReader<Note>, ReadError> {
    CsvReader::open(input)
}

#[processor]
fn check(note: Note, bad: Option<u32>) -> Result<Note, String> {
    if bad == Some(note.id) { Err(format!("note {} is bad", note.id)) } else { Ok(note) }
}

#[writer]
fn note_file(output: PathBuf) -> CsvWriter<Note> {
    CsvWriter::create(output).footer(|records| format!("# {records} notes"))
}

#[writer]
fn line_file(lines_output: PathBuf) -> JsonLinesWriter<Note> {
    JsonLinesWriter::create(lines_output).header("{}").footer(|records| format!("{{\"records\":{records}}}"))
}

#[step(chunk = 3)]
fn copy() {
    notes | check | (note_file, line_file)
}

#[job]
fn copies(
    input: PathBuf,
    output: PathBuf,
    lines_output: PathBuf,
    #[param(identifying = false)] bad: Option<u32>,
) {
    copy;
}

#[step(chunk = 3, partitions = 4)]
fn copy_in_partitions() {
    notes | check | (note_file, line_file)
}

#[job]
fn copies_in_partitions(
    input: PathBuf,
    output: PathBuf,
    lines_output: PathBuf,
    #[param(identifying = false)] bad: Option<u32>,
) {
    copy_in_partitions;
}

#[step(chunk = 3, threads = 3)]
fn copy_on_threads() {
    notes | check | (note_file, line_file)
}

#[job]
fn copies_on_threads(
    input: PathBuf,
    output: PathBuf,
    lines_output: PathBuf,
    #[param(identifying = false)] bad: Option<u32>,
) {
    copy_on_threads;
}

type Job = fn(PathBuf, PathBuf, PathBuf, Option<u32>) -> batch_runtime::Launch;

const JOBS: [Job; 3] = [copies, copies_in_partitions, copies_on_threads];

const NAMES: [(&str, &str); 2] = [("out.csv.gz", "out.jsonl.zst"), ("out.csv.zst", "out.jsonl.gz")];

fn text_of(count: u32) -> String {
    let notes: Vec<_> = (1..=count).map(|id| format!("{id},note {}\n", id * 7919 % 1000)).collect();
    format!("id,text\n{}", notes.concat())
}

fn world_of(count: u32) -> World {
    let world = World::new();
    std::fs::write(world.path("in.csv"), text_of(count)).unwrap();
    world
}

/// Decompresses all members of a file.
fn unzipped(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap();
    let mut text = String::new();
    match path.extension().unwrap().to_str() {
        Some("gz") => flate2::bufread::MultiGzDecoder::new(&*bytes).read_to_string(&mut text).unwrap(),
        _ => zstd::stream::read::Decoder::new(&*bytes).unwrap().read_to_string(&mut text).unwrap(),
    };
    text
}

#[test]
fn a_restart_ends_with_the_same_bytes_wherever_the_run_stopped() {
    for (csv, lines) in NAMES {
        for job in JOBS {
            let world = world_of(20);
            let launch = |csv: &str, lines: &str, bad| {
                job(world.path("in.csv"), world.path(csv), world.path(lines), bad)
            };
            let (undisturbed, undisturbed_lines) = (format!("whole.{csv}"), format!("whole.{lines}"));
            world.completes(&launch(&undisturbed, &undisturbed_lines, None));
            // All bad items are in the first partition, because the others may be complete by then.
            for bad in [1, 4, 5] {
                world.fails(&launch(csv, lines, Some(bad)));
            }
            world.completes(&launch(csv, lines, None));
            for (name, undisturbed) in [(csv, undisturbed), (lines, undisturbed_lines)] {
                assert_eq!(
                    std::fs::read(world.path(name)).unwrap(),
                    std::fs::read(world.path(&undisturbed)).unwrap()
                );
            }
            assert_eq!(unzipped(&world.path(csv)), text_of(20) + "# 20 notes\n");
            let lines = unzipped(&world.path(lines));
            assert!(
                lines.starts_with("{}\n{\"id\":1,") && lines.ends_with("}\n{\"records\":20}\n"),
                "{lines}"
            );
            assert_eq!(lines.lines().count(), 22);
        }
    }
}

#[test]
fn the_committed_part_is_a_whole_file_at_any_time() {
    for (csv, lines) in NAMES {
        let world = world_of(20);
        for bad in [5, 8, 11, 20] {
            world.fails(&copies(world.path("in.csv"), world.path(csv), world.path(lines), Some(bad)));
            let committed = (bad - 1) / 3 * 3;
            let ending = Path::new(csv).extension().unwrap().to_str().unwrap();
            let copy = world.path(&format!("copy.{ending}"));
            std::fs::copy(world.unfinished(&format!("{csv}.part")), &copy).unwrap();
            assert_eq!(unzipped(&copy), text_of(committed));
        }
    }
}

// A bad item

#[derive(Debug, thiserror::Error)]
#[error("a note was refused")]
struct Refused;

/// Refuses a chunk with certain notes, after the other writers have written it to the compressed files.
#[writer]
fn strict(notes: &[Note]) -> Result<(), Refused> {
    if notes.iter().any(|note| [2, 7, 8, 19].contains(&note.id)) { Err(Refused) } else { Ok(()) }
}

#[step(chunk = 10, skip(Refused), isolate = allow)]
fn copy_most() {
    notes | (note_file, line_file, strict)
}

#[job]
fn copies_most(input: PathBuf, output: PathBuf, lines_output: PathBuf) {
    copy_most;
}

#[test]
fn items_that_another_writer_refuses_are_left_out_of_the_compressed_file() {
    for (csv, lines) in NAMES {
        let world = world_of(20);
        let report = world.completes(&copies_most(world.path("in.csv"), world.path(csv), world.path(lines)));
        assert_eq!(step(&report, "copy_most").counters.write_skip, 4);
        let text = text_of(20);
        let kept =
            text.lines().filter(|line| !["2,", "7,", "8,", "19,"].iter().any(|bad| line.starts_with(bad)));
        let kept: Vec<_> = kept.collect();
        assert_eq!(unzipped(&world.path(csv)), kept.join("\n") + "\n# 16 notes\n");
        assert_eq!(unzipped(&world.path(lines)).lines().count(), 18);
    }
}

// Reading it again

#[reader]
fn zipped_notes(output: PathBuf) -> Result<CsvReader<Note>, ReadError> {
    CsvReader::options().comment(b'#').open(output)
}

#[writer]
fn plain_file(plain: PathBuf) -> JsonLinesWriter<Note> {
    JsonLinesWriter::create(plain)
}

#[step(chunk = 5)]
fn read_again() {
    zipped_notes | check | plain_file
}

#[job]
fn there_and_back(
    input: PathBuf,
    output: PathBuf,
    lines_output: PathBuf,
    plain: PathBuf,
    #[param(identifying = false)] bad: Option<u32>,
) {
    copy(bad = None::<u32>);
    read_again;
}

#[test]
fn a_later_step_reads_the_compressed_file_and_restarts_in_it() {
    for (csv, lines) in NAMES {
        let world = world_of(3_000);
        let launch = |bad| {
            there_and_back(
                world.path("in.csv"),
                world.path(csv),
                world.path(lines),
                world.path("plain.jsonl"),
                bad,
            )
        };
        for bad in [1_000, 2_998] {
            world.fails(&launch(Some(bad)));
        }
        let context = world
            .texts("SELECT SHORT_CONTEXT FROM BATCH_STEP_EXECUTION_CONTEXT ORDER BY STEP_EXECUTION_ID DESC");
        assert!(context[0].contains("member"), "{context:?}");
        world.completes(&launch(None));
        let reader = JsonLinesReader::<Note>::open(world.path("plain.jsonl")).unwrap();
        assert_eq!(ids(reader), (1..=3_000).collect::<Vec<_>>());
    }
}

fn ids(mut reader: JsonLinesReader<Note>) -> Vec<u32> {
    std::iter::from_fn(|| reader.read().unwrap().map(|note| note.id)).collect()
}

// Other programs

/// Returns what a program prints, or `None` if it is not installed.
fn printed(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn other_programs_read_what_was_written() {
    let python = "import gzip, sys; sys.stdout.write(gzip.open(sys.argv[1], 'rt').read())";
    for (csv, lines) in NAMES {
        for job in JOBS {
            let world = world_of(50);
            world.completes(&job(world.path("in.csv"), world.path(csv), world.path(lines), None));
            for name in [csv, lines] {
                let path = world.path(name);
                let expected = unzipped(&path);
                let is_gzip = path.extension().is_some_and(|ending| ending == "gz");
                let path = path.to_str().unwrap();
                let (tested, all) = if is_gzip {
                    let read = printed("python3", &["-c", python, path]);
                    assert!(read.is_none_or(|read| read == expected), "{name}");
                    (printed("gzip", &["-t", path]), printed("gzip", &["-dc", path]))
                } else {
                    (printed("zstd", &["-q", "-t", path]), printed("zstd", &["-q", "-dc", path]))
                };
                assert!(tested.is_none_or(|said| said.is_empty()));
                assert!(all.is_none_or(|all| all == expected), "{name}");
            }
        }
    }
}

#[test]
fn a_file_without_items_is_a_compressed_file_of_nothing() {
    for (csv, lines) in NAMES {
        for job in JOBS {
            let world = World::new();
            std::fs::write(world.path("in.csv"), "id,text\n").unwrap();
            world.completes(&job(world.path("in.csv"), world.path(csv), world.path(lines), None));
            assert_eq!(unzipped(&world.path(csv)), "# 0 notes\n");
            assert_eq!(unzipped(&world.path(lines)), "{}\n{\"records\":0}\n");
        }
    }
}
