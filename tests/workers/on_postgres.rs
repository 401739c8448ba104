//! The classic set-up: a manager and three workers, which share a repository on a server.

use batch_tests::postgres::{Database, Options, Server};

use super::world::{Running, World, numbers, until};

fn items(database: &Database) -> Vec<i64> {
    let rows = database.connect().query("SELECT n FROM item ORDER BY n", &[]);
    rows.map(|rows| rows.iter().map(|row| row.get(0)).collect()).unwrap_or_default()
}

/// Three workers on that database.
fn workers(world: &World, database: &Database) -> Vec<Running> {
    let line = format!("worker --idle-exit 20s --repository {}", database.url());
    (0..3).map(|_| world.start_with(&line, &[])).collect()
}

#[test]
fn three_workers_run_the_partitions_of_a_fourth_process_even_if_one_is_killed() {
    let Some(server) = Server::start(&Options::default()) else { return };
    let (world, database) = (World::new(), server.database());
    let workers = workers(&world, &database);
    let line =
        format!("load --parts 9 --size 60 --micros 3000 --workers remote --repository {}", database.url());
    let mut manager = world.start(&line);
    until("the first items", || items(&database).len() > 50);
    let written = database.connect().query("SELECT DISTINCT pid FROM item", &[]).unwrap();
    let killed: i64 = written[0].get(0);
    workers
        .iter()
        .filter(|worker| i64::from(worker.pid()) == killed)
        .for_each(|worker| worker.signal("-KILL"));
    let run = manager.wait();
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(items(&database), numbers(540));
    for worker in &workers {
        worker.signal("-TERM");
    }
}

#[test]
fn a_manager_that_is_killed_goes_on_with_the_same_workers() {
    let Some(server) = Server::start(&Options::default()) else { return };
    let (world, database) = (World::new(), server.database());
    let workers = workers(&world, &database);
    let line =
        format!("load --parts 9 --size 40 --micros 3000 --workers remote --repository {}", database.url());
    let mut manager = world.start(&line);
    until("the first items", || items(&database).len() > 50);
    manager.signal("-KILL");
    manager.wait();
    let run = world.run(&line);
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(items(&database), numbers(360));
    for worker in &workers {
        worker.signal("-TERM");
    }
}
