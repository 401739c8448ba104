//! The example with its parts in separate processes: a manager, three workers, a repository on a server, and a broker.

use std::collections::BTreeMap;
use std::fs;

use batch_tests::postgres::{Database, Options, Server};
use batch_tests::rabbitmq;

use super::world::{Run, Running, World, until};

const PROGRAM: &str = env!("CARGO_BIN_EXE_transaction_files_anywhere");

fn start(world: &World, line: &str, environment: &[(&str, &str)]) -> Running {
    let mut command = world.command_of(PROGRAM, line);
    command.envs(environment.iter().copied());
    world.start_command(command)
}

#[track_caller]
fn completed(run: &Run) {
    assert_eq!(run.code, 0, "{run}");
}

type Rows = Vec<(i64, i64, i64)>;

fn rows(database: &Database, sql: &str) -> Rows {
    let rows = database.connect().query(sql, &[]).unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
}

/// The rows that the files hold: entries of valid accounts, and their sums.
fn expected(world: &World) -> (Rows, Rows) {
    let is_valid = |account: i64| {
        let hash = (0..200).fold(account / 10 + 7, |hash, _| (hash * 48_271 + 11) % 2_147_483_647);
        hash % 10 == account % 10
    };
    let mut entries = Rows::new();
    let mut balances = BTreeMap::<i64, (i64, i64)>::new();
    for file in fs::read_dir(world.path("transactions")).unwrap() {
        for line in fs::read_to_string(file.unwrap().path()).unwrap().lines().skip(1) {
            let fields: Vec<i64> = line.split(',').map(|field| field.parse().unwrap()).collect();
            if is_valid(fields[1]) {
                entries.push((fields[0], fields[1], fields[2]));
                let balance = balances.entry(fields[1]).or_default();
                *balance = (balance.0 + 1, balance.1 + fields[2]);
            }
        }
    }
    entries.sort_unstable();
    (entries, balances.into_iter().map(|(account, (many, cents))| (account, many, cents)).collect())
}

#[test]
fn three_workers_over_rabbitmq_and_postgresql_load_every_row_once_even_if_one_is_killed() {
    let Some(server) = Server::start(&Options::default()) else { return };
    let Some(broker) = rabbitmq::server() else { return };
    let (world, database) = (World::new(), server.database());
    let repository = format!("{}?schema=batch", database.url());
    let environment = [("BATCH_REPOSITORY", repository.as_str()), ("BATCH_BROKER", &broker.url())];
    completed(&start(&world, "run make_files --files 12 --records 3000 --repository files.db", &[]).wait());
    let mut workers: Vec<_> = (0..3).map(|_| start(&world, "worker", &environment)).collect();
    let mut manager = start(&world, "run transaction_files --workers remote", &environment);
    let holder = "SELECT p.pid FROM batch.batch_partition JOIN batch.batch_worker USING (worker_id) \
         JOIN batch.batch_process p USING (process)";
    let mut killed = None;
    until("a worker that holds a partition", || {
        let rows = database.connect().query(holder, &[]).unwrap_or_default();
        killed = rows.first().map(|row| row.get::<_, i64>(0));
        killed.is_some()
    });
    let is_killed = |worker: &Running| Some(i64::from(worker.pid())) == killed;
    let killed = workers.iter().position(is_killed).expect("a worker of this test");
    workers.remove(killed).signal("-KILL");
    completed(&manager.wait());
    let (entries, balances) = expected(&world);
    assert_eq!(rows(&database, "SELECT id, account, cents FROM entry ORDER BY id"), entries);
    assert_eq!(rows(&database, "SELECT account, entries, cents FROM balance ORDER BY account"), balances);
    for worker in &mut workers {
        worker.signal("-TERM");
        completed(&worker.wait());
    }
}
