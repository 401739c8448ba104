//! Opening and creating repositories.

use std::sync::Barrier;

use batch_runtime::Durability;
use batch_runtime::repository::LaunchRequest;

use crate::place::Place;
use crate::support::*;

every_kind![
    a_database_with_tables_of_the_user_s_own_becomes_a_repository_as_well,
    an_existing_repository_keeps_its_name,
    many_threads_may_create_one_repository,
    an_execution_remembers_which_crash_its_commits_survive,
    its_own_database_is_known_under_every_name,
    another_database_of_the_same_kind_is_not_its_own,
];

fn a_database_with_tables_of_the_user_s_own_becomes_a_repository_as_well<P: Place>(place: &P) {
    place.sql("CREATE TABLE item (n BIGINT); INSERT INTO item VALUES (1)");
    launch(&place.open());
    assert_eq!(items(place), ["1"]);
}

fn an_existing_repository_keeps_its_name<P: Place>(place: &P) {
    let names = [place.open().identity(), place.open().identity()];
    assert_eq!(names[0], names[1]);
    if let Some(other) = P::new() {
        assert_ne!(names[0], other.open().identity());
    }
}

fn many_threads_may_create_one_repository<P: Place>(_: &P) {
    for _ in 0..10 {
        let Some(place) = P::new() else { return };
        let barrier = Barrier::new(8);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    barrier.wait();
                    place.open();
                });
            }
        });
        assert_eq!(place.rows("SELECT COUNT(*) FROM BATCH_SCHEMA"), ["1"]);
        launch(&place.open());
    }
}

fn an_execution_remembers_which_crash_its_commits_survive<P: Place>(place: &P) {
    let repository = place.open();
    for durability in [Durability::Machine, Durability::Process, Durability::Machine] {
        let parameters = parameters("a");
        let launched = repository.launch(&LaunchRequest { durability, ..request(&parameters) }).unwrap();
        begin(&repository, launched.ownership).chunks.commit(&mut record(1), |_, _| Ok(())).unwrap();
        assert_eq!(repository.execution(launched.ownership.execution).unwrap().durability, durability);
        fail(&repository, launched.ownership);
    }
}

fn its_own_database_is_known_under_every_name<P: Place>(place: &P) {
    let repository = place.open();
    assert!(repository.is_own(&repository.database().unwrap()).unwrap());
    assert!(repository.is_own(&place.handle()).unwrap());
    assert!(repository.is_own(&place.alias()).unwrap());
}

fn another_database_of_the_same_kind_is_not_its_own<P: Place>(place: &P) {
    let repository = place.open();
    let Some(other) = P::new() else { return };
    assert!(!repository.is_own(&other.handle()).unwrap());
    other.open();
    assert!(!repository.is_own(&other.handle()).unwrap());
}
