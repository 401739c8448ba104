//! Launchers that race on a server.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Barrier};

use batch_runtime::repository::{BatchStatus, LaunchRequest, Recovery, RepositoryError};

use super::schema;
use crate::place::{Place, Repo};
use crate::support::*;

const LAUNCHERS: usize = 16;
const ROUNDS: u32 = 50;

#[test]
fn of_sixteen_launchers_of_one_instance_one_wins_in_each_of_fifty_rounds() {
    let Some(place) = schema() else { return };
    let barrier = Barrier::new(LAUNCHERS);
    let won: Vec<AtomicU32> = (0..ROUNDS).map(|_| AtomicU32::new(0)).collect();
    std::thread::scope(|scope| {
        for _ in 0..LAUNCHERS {
            scope.spawn(|| {
                let repository = place.open();
                for round in 0..ROUNDS {
                    let parameters = parameters(&round.to_string());
                    barrier.wait();
                    let launched = repository.launch(&request(&parameters));
                    // In every second round the winner ends while the others still try.
                    let ends_first = round % 2 == 0;
                    match &launched {
                        Ok(launched) => {
                            won[round as usize].fetch_add(1, Relaxed);
                            if ends_first {
                                let completed = ended(BatchStatus::Completed, "COMPLETED");
                                repository.finish(launched.ownership, &completed).unwrap();
                            }
                        }
                        Err(RepositoryError::AlreadyRunning { .. }) => {}
                        Err(RepositoryError::AlreadyComplete { .. }) if ends_first => {}
                        Err(error) => panic!("{error}"),
                    }
                    barrier.wait();
                }
            });
        }
    });
    let won: Vec<_> = won.into_iter().map(AtomicU32::into_inner).collect();
    assert_eq!(won, [1; ROUNDS as usize]);
    assert_eq!(place.rows("SELECT COUNT(*) FROM BATCH_JOB_EXECUTION"), [ROUNDS.to_string()]);
}

#[test]
fn of_launchers_that_race_to_take_over_one_wins() {
    let Some(place) = schema() else { return };
    let repositories: Vec<_> = (0..8).map(|_| place.open()).collect();
    for _ in 0..10 {
        drop(
            repositories[0].launch(&LaunchRequest { recovery: Recovery::Force, ..request(&parameters("a")) }),
        );
        let barrier = Barrier::new(repositories.len());
        let launched: Vec<_> = std::thread::scope(|scope| {
            let race = |repository: &Repo| {
                let repository = Arc::clone(repository);
                let barrier = &barrier;
                scope.spawn(move || {
                    barrier.wait();
                    repository.launch(&request(&parameters("a")))
                })
            };
            let threads: Vec<_> = repositories.iter().map(race).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(launched.iter().filter(|launched| launched.is_ok()).count(), 1, "{launched:?}");
        for error in launched.iter().filter_map(|launched| launched.as_ref().err()) {
            assert!(matches!(error, RepositoryError::AlreadyRunning { .. }), "{error}");
        }
    }
}

#[test]
fn launchers_of_several_instances_of_a_dead_process_do_not_hinder_each_other() {
    let Some(place) = schema() else { return };
    for round in 0..5 {
        let names: Vec<String> = (0..8).map(|instance| format!("{round}.{instance}")).collect();
        let dead = place.open();
        let held: Vec<_> =
            names.iter().map(|name| dead.launch(&request(&parameters(name))).unwrap()).collect();
        drop(dead);
        drop(held);
        let barrier = Barrier::new(names.len());
        std::thread::scope(|scope| {
            for name in &names {
                scope.spawn(|| {
                    let repository = place.open();
                    barrier.wait();
                    let launched = repository.launch(&request(&parameters(name))).unwrap();
                    assert!(launched.restarted_from.is_some());
                });
            }
        });
    }
}
