//! Compares the engine with a short reference interpreter, over random bodies, outcomes, failures, stops and deaths.
//!
//! Runs 300 cases, or the number in `PROPTEST_CASES`.

mod body;
mod reference;
mod script;
mod store;

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;

use self::body::{Statement, body};
use self::reference::{End, Reference};
use self::store::Store;
use crate::definition::{Launch, Parameters};
use crate::engine::{JobError, RunOptions};
use crate::repository::{BatchStatus, Repository};

/// The number of executions. The owner of the last one does not die.
const EXECUTIONS: usize = 7;

fn agrees(body: &[Statement], outcomes: &[u8], deaths: &[Option<u32>]) -> Result<(), TestCaseError> {
    let job = body::job("job", body);
    let store = Arc::new(Store::default());
    let repository: Arc<dyn Repository> = Arc::<Store>::clone(&store);
    let mut reference = Reference::new(outcomes);
    script::begin(outcomes);
    for execution in 0..EXECUTIONS {
        let death = deaths.get(execution).copied().flatten();
        store.dies_at(death);
        let launch = Launch { job, parameters: Parameters::new() };
        let end = match crate::engine::run(&repository, &launch, &RunOptions::default()) {
            Ok(report) if report.status == BatchStatus::Completed => End::Completed,
            Ok(report) if report.status == BatchStatus::Stopped => End::Stopped,
            Ok(_) => End::Failed,
            Err(JobError::Repository(crate::repository::RepositoryError::Fenced { .. })) => End::Dead,
            Err(refused) => return Err(TestCaseError::fail(format!("execution {execution}: {refused}"))),
        };
        let expected = reference.run(body, death);
        prop_assert_eq!(script::ran(), reference.ran(), "execution {}", execution);
        prop_assert_eq!(end, expected, "execution {}", execution);
        if end == End::Completed {
            break;
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(300),
        failure_persistence: None,
        max_shrink_iters: 20_000,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_body_runs_what_the_reference_runs_whatever_fails_and_wherever_it_dies(
        body in body(),
        outcomes in vec(0..64_u8, 1..40),
        deaths in vec(prop::option::weighted(0.5, 0..25_u32), 0..EXECUTIONS - 1),
    ) {
        agrees(&body, &outcomes, &deaths)?;
    }
}
