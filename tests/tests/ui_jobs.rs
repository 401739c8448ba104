//! Mistakes in jobs, and the nearest programs that compile.

#[test]
fn mistakes_in_a_job_are_reported_at_the_word_to_edit() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("ui/job/fail/*.rs");
    cases.compile_fail("ui/params/fail/job-*.rs");
}

#[test]
fn the_jobs_nearest_to_the_mistakes_compile_and_run() {
    let cases = trybuild::TestCases::new();
    cases.pass("ui/job/pass/*.rs");
    cases.pass("ui/params/pass/job-*.rs");
}

#[cfg(not(feature = "schedule"))]
#[test]
fn a_schedule_asks_for_the_feature() {
    trybuild::TestCases::new().compile_fail("ui/job/without-schedule/*.rs");
}
