//! The complete output of `--help` and `jobs`.

use super::fixture::*;

#[track_caller]
fn prints(jobs: &[&'static crate::JobInfo], line: &str, expected: &str) {
    let answer = run(["flights"].into_iter().chain(line.split_whitespace()), jobs, |_| None);
    assert_eq!(answer.code, 0, "{}", answer.err);
    // clap leaves spaces at the ends of some lines.
    let lines = answer.out.lines().map(str::trim_end);
    // The feature `serve` adds a command.
    let lines = lines.filter(|line| !line.starts_with("  serve "));
    let printed = lines.flat_map(|line| [line, "\n"]).collect::<String>();
    assert!(printed == expected, "{printed}\n---- is not ----\n{expected}");
}

#[test]
fn the_program_lists_its_commands() {
    prints(&[FLIGHT_DELAYS, UPLOAD], "--help", include_str!("golden/program.txt"));
}

#[test]
fn help_explains_itself_with_the_list_of_commands() {
    prints(&[FLIGHT_DELAYS, UPLOAD], "help --help", include_str!("golden/program.txt"));
    prints(&[FLIGHT_DELAYS, UPLOAD], "help run --help", include_str!("golden/run.txt"));
}

#[test]
fn the_only_job_needs_no_name() {
    prints(&[FLIGHT_DELAYS], "run --help", include_str!("golden/run_only_job.txt"));
}

#[test]
fn one_of_several_jobs_shows_its_own_parameters() {
    prints(&[FLIGHT_DELAYS, UPLOAD], "run upload --help", include_str!("golden/run_upload.txt"));
}

#[test]
fn several_jobs_are_listed_under_run() {
    prints(&[FLIGHT_DELAYS, UPLOAD], "run --help", include_str!("golden/run.txt"));
}

#[test]
fn the_jobs_are_listed_with_their_parameters() {
    prints(&[FLIGHT_DELAYS, UPLOAD, ONCE], "jobs", include_str!("golden/jobs.txt"));
}

#[test]
fn the_jobs_are_listed_as_json() {
    prints(&[UPLOAD], "jobs --json", include_str!("golden/jobs.json"));
}
