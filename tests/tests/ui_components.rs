//! Mistakes in components, steps and parameters, and the nearest programs that compile.

#[test]
fn mistakes_in_the_wiring_are_reported_at_the_word_to_edit() {
    let cases = trybuild::TestCases::new();
    for area in ["component", "step", "params"] {
        cases.compile_fail(format!("ui/{area}/fail/*.rs"));
    }
}

#[test]
fn the_programs_nearest_to_the_mistakes_compile_and_run() {
    let cases = trybuild::TestCases::new();
    for area in ["component", "step", "params"] {
        cases.pass(format!("ui/{area}/pass/*.rs"));
    }
}

#[cfg(not(feature = "async"))]
#[test]
fn an_async_processor_asks_for_the_feature() {
    trybuild::TestCases::new().compile_fail("ui/component/without-async/*.rs");
}

#[cfg(not(feature = "remote-chunks"))]
#[test]
fn a_step_with_remote_asks_for_the_feature() {
    trybuild::TestCases::new().compile_fail("ui/step/without-remote-chunks/*.rs");
}
