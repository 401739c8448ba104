//! `flight_delays`, killed ten times at random moments and started again each time.
//!
//! By default it reads the sample twenty times over; `FLIGHTS=whole` reads the whole shipped file. `SEED=number` repeats
//! the moments of an earlier run, as far as the clock allows.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant, SystemTime};
use std::{env, fs, thread};

use crate::flights::{Expected, read};
use crate::program::{Folder, data};

const KILLS: u32 = 10;

/// The file that ships compressed.
pub(crate) fn whole_file() -> String {
    let packed = fs::read(data("flights.csv.zst")).unwrap();
    String::from_utf8(zstd::decode_all(packed.as_slice()).unwrap()).unwrap()
}

fn sample_twenty_times(folder: &Folder) -> (PathBuf, String) {
    let cut = read(&data("flights-5000.csv"));
    let (header, records) = cut.split_once('\n').unwrap();
    let text = format!("{header}\n{}", records.repeat(20));
    (folder.write("flights.csv", &text), text)
}

/// A small random number generator (xorshift), so that a seed yields the same moments everywhere.
struct Random(u64);

impl Random {
    /// Evenly distributed below `limit`.
    fn below(&mut self, limit: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        limit.mul_f64(f64::from((self.0 >> 33) as u32) / f64::from(1_u32 << 31))
    }
}

fn run(folder: &Folder, input: &Path) -> Command {
    let mut command = folder.command("flight_delays");
    command.args(["run", "--quiet", "--input"]).arg(input).stdout(Stdio::null());
    command
}

/// Starts the example and kills it after `delay`. Returns its exit status if it ended before.
fn killed(folder: &Folder, input: &Path, delay: Duration) -> Option<ExitStatus> {
    let mut child = run(folder, input).spawn().unwrap();
    let begin = Instant::now();
    while begin.elapsed() < delay {
        if let Some(ended) = child.try_wait().unwrap() {
            return Some(ended);
        }
        thread::sleep(delay.saturating_sub(begin.elapsed()).min(Duration::from_millis(1)));
    }
    child.kill().unwrap();
    let ended = child.wait().unwrap();
    ended.code().is_some().then_some(ended)
}

/// How many executions were killed, and whether one completed. There are none yet if the first kill came before the
/// first launch. A kill between the last commit of a job and the exit of its process leaves a complete execution.
fn so_far(folder: &Folder) -> (u32, bool) {
    if !folder.file("batch.db").exists() {
        return (0, false);
    }
    let count =
        "SELECT count(*) FILTER (WHERE STATUS <> 'COMPLETED'), count(*) FILTER (WHERE STATUS = 'COMPLETED')
        FROM BATCH_JOB_EXECUTION";
    let counted = folder.database().query_row(count, [], |row| Ok((row.get(0)?, row.get::<_, u32>(1)? > 0)));
    counted.unwrap_or((0, false))
}

/// The exit code of a launch that is refused because too many executions in a row died before their first commit.
const REFUSED: i32 = 4;

/// Starts the example again and again until ten executions were killed, then lets it end. Returns the number of killed
/// executions; kills before a launch do not count. Every attempt gets more time than the last, so that on a slow machine
/// some attempt reaches its first commit.
fn kill_and_restart(folder: &Folder, input: &Path, random: &mut Random, longest: Duration) -> u32 {
    for attempt in 0.. {
        let (killed_executions, is_complete) = so_far(folder);
        if is_complete {
            return killed_executions;
        }
        let ended = if killed_executions < KILLS {
            killed(folder, input, random.below(longest * (10 + attempt) / 10))
        } else {
            Some(run(folder, input).status().unwrap())
        };
        let Some(ended) = ended else { continue };
        let ended = match ended.code() {
            Some(REFUSED) => run(folder, input).args(["--recovery", "force"]).status().unwrap(),
            _ => ended,
        };
        assert!(ended.success(), "after {killed_executions} killed executions: {ended}");
    }
    unreachable!("attempts do not run out")
}

#[test]
fn killed_at_ten_random_moments_it_loses_no_row_and_duplicates_none() {
    let source = Folder::new();
    let (input, text) = if env::var("FLIGHTS").is_ok_and(|which| which == "whole") {
        (data("flights.csv.zst"), whole_file())
    } else {
        sample_twenty_times(&source)
    };
    let expected = Expected::of(&text);

    let undisturbed = Folder::new();
    let begin = Instant::now();
    assert!(run(&undisturbed, &input).status().unwrap().success());
    let time = begin.elapsed();
    expected.compare(&undisturbed);

    let clock = || u64::from(SystemTime::UNIX_EPOCH.elapsed().unwrap().subsec_nanos());
    let seed = env::var("SEED").map_or_else(|_| clock(), |seed| seed.parse().unwrap()).max(1);
    println!("seed {seed}, {} records, {time:?} undisturbed", expected.records());
    // Spread the seed over all bits: the generator starts slowly from a small number.
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    // On average the job finishes when the last kill comes. If it finished before, the next round kills sooner: the
    // machine may have been busier when the undisturbed run was timed.
    let mut longest = 2 * time / (KILLS + 1);
    for _ in 0..30 {
        let folder = Folder::new();
        let kills = kill_and_restart(&folder, &input, &mut random, longest);
        longest = longest * 4 / 5;
        println!("{kills} executions killed");
        expected.compare(&folder);
        if kills == KILLS {
            return;
        }
    }
    panic!("the job always finished before the tenth kill");
}
