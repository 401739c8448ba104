//! The classic set-up: a manager and three workers, which share a repository on a server.

use std::time::Duration;

use batch_tests::postgres::{Database, Options, Server};

use super::world::{LONGER_THAN_A_TEST, Running, World, numbers, until};

fn items(database: &Database) -> Vec<i64> {
    let rows = database.connect().query("SELECT n FROM item ORDER BY n", &[]);
    rows.map(|rows| rows.iter().map(|row| row.get(0)).collect()).unwrap_or_default()
}

/// Three workers on that database.
fn workers(world: &World, database: &Database) -> Vec<Running> {
    let line = format!("worker --idle-exit {LONGER_THAN_A_TEST} --repository {}", database.url());
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

#[test]
fn a_partition_costs_few_statements() {
    const PARTS: usize = 200;
    let settings = vec![("log_min_duration_statement", "0".to_owned())];
    let Some(server) = Server::start(&Options { settings, ..Options::default() }) else { return };
    let (world, database) = (World::new(), server.database());
    let worker = world.start_with(&format!("worker --repository {}", database.url()), &[]);
    let url = database.url();
    let run = world.run(&format!("load --parts {PARTS} --size 1 --workers remote --repository {url}"));
    assert_eq!(run.code, 0, "{run}");
    worker.signal("-TERM");
    let log = server.log();
    // How often the manager polls depends on the time that the run takes.
    let of_partitions = |line: &&str| !line.contains("SELECT total.*");
    let counted = |what: &str| log.lines().filter(|line| line.contains(what)).filter(of_partitions).count();
    // Twelve and nine for each partition, and those that begin and end a run.
    let (prepared, plain) = (counted(" ms  execute "), counted(" ms  statement: "));
    assert!(prepared < PARTS * 14 && plain < PARTS * 10, "{prepared} and {plain} statements");
    // Connections are kept from one partition to the next, with the statements that they have prepared.
    let parsed = counted(" ms  parse ");
    assert!(parsed < PARTS, "{parsed} statements were prepared");
}

#[test]
fn an_idle_manager_with_a_thousand_partitions_sends_two_statements_a_second_at_most() {
    const SECONDS: u64 = 10;
    let settings = vec![("log_min_duration_statement", "0".to_owned())];
    let Some(server) = Server::start(&Options { settings, ..Options::default() }) else { return };
    let (world, database) = (World::new(), server.database());
    let _manager =
        world.start(&format!("load --parts 1000 --size 1 --workers remote --repository {}", database.url()));
    let waits = |log: &str| log.contains("UPDATE public.BATCH_PARTITION SET OFFERED_FOR");
    until("the offer", || waits(&server.log()));
    // The manager polls less and less often.
    std::thread::sleep(Duration::from_secs(3));
    let statements = || {
        let log = server.log();
        log.lines().filter(|line| line.contains(" ms  execute ") || line.contains(" ms  statement: ")).count()
    };
    let before = statements();
    std::thread::sleep(Duration::from_secs(SECONDS));
    let sent = statements() - before;
    println!("{sent} statements in {SECONDS} seconds");
    assert!(sent as u64 <= 2 * SECONDS, "{sent} statements in {SECONDS} seconds");
}
