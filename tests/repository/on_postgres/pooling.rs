//! A repository through pgbouncer, which may run each transaction on a different connection to the server.

use batch_tests::postgres::{Options, Pooler, Server};

use super::open;
use super::whole_job::{commit_with_retries, write_everything};
use crate::place::Place;
use crate::postgres::Schema;
use crate::support::*;

#[test]
fn a_job_runs_through_a_pooler_as_without_one() {
    let Some(server) = Server::start(&Options::default()) else { return };
    let Some(pooler) = Pooler::in_front_of(&server) else { return };
    let stored = [false, true].map(|pooled| {
        let database = server.database();
        let place = Schema::at(database.url());
        make_items(&place);
        let url = if pooled { pooler.url(database.url()) } else { database.url().to_owned() };
        write_everything(&place, &open(&url), || {})
    });
    assert_eq!(stored[0], stored[1]);
}

#[test]
fn steps_side_by_side_and_a_takeover_work_through_a_pooler() {
    let Some(server) = Server::start(&Options::default()) else { return };
    let Some(pooler) = Pooler::in_front_of(&server) else { return };
    let database = server.database();
    let place = Schema::at(database.url());
    make_items(&place);
    let url = pooler.url(database.url());
    let old = open(&url);
    let first = launch(&old);
    // More steps than the pooler has connections.
    let mut steps: Vec<_> = std::thread::scope(|scope| {
        let branches = (0..6).map(|branch: i64| {
            let (old, owner) = (&old, first.ownership);
            scope.spawn(move || {
                let mut step = begin_as(old, owner, &start(&branch.to_string())).unwrap();
                for position in 0..20 {
                    commit_with_retries(&mut step, 100 * branch + position);
                }
                step
            })
        });
        let branches: Vec<_> = branches.collect();
        branches.into_iter().map(|branch| branch.join().unwrap()).collect()
    });
    assert_eq!(place.rows("SELECT COUNT(*), COUNT(DISTINCT n) FROM item"), ["120|120"]);
    let new = open(&url);
    let second = force(&new);
    for step in &mut steps {
        let chunk = commit::<Schema>(step, 1_000);
        assert!(is_fenced(&chunk), "{chunk:?}");
    }
    let mut step = begin_as(&new, second.ownership, &start("5")).unwrap();
    assert_eq!(step.context, context(519));
    commit_with_retries(&mut step, 2_000);
    assert_eq!(place.rows("SELECT COUNT(*), MAX(n) FROM item"), ["121|2000"]);
}
