//! Random inputs, faults, stops and crashes, checked against a short model of the expected result.
//!
//! 200 cases, or as many as `PROPTEST_CASES` says; failed cases are kept in `model.seeds` and tried first.

mod reference;
mod subject;

use batch_runtime::repository::BatchStatus;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

use reference::{Model, Outcome};
use subject::{Fault, Place, SHAPES, Subject, What};

#[derive(Debug, Clone)]
struct Case {
    shape: usize,
    records: i64,
    faults: Vec<Fault>,
    /// The wait in the first execution that a stop interrupts.
    stopped_wait: Option<u32>,
}

fn fault() -> impl Strategy<Value = Fault> {
    let place = prop_oneof![Just(Place::Read), Just(Place::Process), Just(Place::Write)];
    let what = prop_oneof![
        4 => Just((What::Bad, u32::MAX)),
        1 => (1..4_u32).prop_map(|times| (What::Bad, times)),
        4 => (1..4_u32).prop_map(|times| (What::Busy, times)),
        1 => Just((What::Busy, u32::MAX)),
        1 => Just((What::Fatal, 1)),
        1 => Just((What::Panic, 1)),
        1 => Just((What::Stop, 1)),
    ];
    (place, 1..=50_i64, what).prop_map(|(place, item, (what, times))| Fault { place, item, what, times })
}

fn case() -> impl Strategy<Value = Case> {
    let stopped_wait = prop::option::weighted(0.2, 1..6_u32);
    (0..SHAPES.len(), 0..=50_i64, vec(fault(), 0..14), stopped_wait)
        .prop_map(|(shape, records, faults, stopped_wait)| Case { shape, records, faults, stopped_wait })
}

/// Executions with these faults, followed by one without.
const EXECUTIONS: u32 = 5;

fn agrees(case: &Case) -> Result<(), TestCaseError> {
    let shape = &SHAPES[case.shape];
    let subject = Subject::new(shape, case.records, &case.faults);
    let mut model = Model::new(shape.rules, case.records, &case.faults);
    for execution in 0..=EXECUTIONS {
        if execution == EXECUTIONS {
            Subject::heal();
            model.heal();
        }
        let stopped_wait = if execution == 0 { case.stopped_wait } else { None };
        let outcome = model.run(stopped_wait);
        let report = subject.run(stopped_wait);
        let expected = match outcome {
            Outcome::Completed => BatchStatus::Completed,
            Outcome::Failed => BatchStatus::Failed,
            Outcome::Stopped => BatchStatus::Stopped,
        };
        let said = &report.exit.description;
        prop_assert_eq!(report.status, expected, "execution {}: {}", execution, said);
        let found = subject.counters();
        prop_assert_eq!(&found, &model.done.counters, "execution {}: {}", execution, said);
        prop_assert_eq!(subject.rows(), &model.done.rows[..], "execution {}: {}", execution, said);
        prop_assert_eq!(subject.skipped(), &model.done.skipped[..], "execution {}: {}", execution, said);
        if outcome == Outcome::Completed {
            break;
        }
    }
    let all = &model.done.counters;
    prop_assert_eq!(all.read + all.read_skip, case.records.unsigned_abs(), "all records are accounted for");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(200),
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct("behaviour/model.seeds"))),
        max_shrink_iters: 2_000,
        ..ProptestConfig::default()
    })]

    #[test]
    fn whatever_fails_and_however_often_it_dies_the_outcome_is_that_of_the_model(case in case()) {
        agrees(&case)?;
    }
}
