//! Workers that process the chunks of another process over `RabbitMQ`.

use batch_tests::proxy::{Proxy, Way};
use batch_tests::rabbitmq::{self, Server};

use super::world::{LONGER_THAN_A_TEST, Running, World, numbers, until};

fn start(world: &World, line: &str, broker: &str) -> Running {
    let mut command = world.command_of(env!("CARGO_BIN_EXE_chunks"), line);
    command.env("BATCH_BROKER", broker);
    world.start_command(command)
}

const RUN: &str = "run prices --count 4000 --micros 1000 --workers remote";

#[test]
fn chunks_are_processed_in_workers_and_each_number_is_written_once_whatever_dies() {
    let Some(server) = rabbitmq::server() else { return };
    let world = World::new();
    let url = server.url();
    let line = format!("worker --idle-exit {LONGER_THAN_A_TEST}");
    let workers: Vec<_> = (0..3).map(|_| start(&world, &line, &url)).collect();
    let manager = start(&world, RUN, &url);
    let by_workers = |many: usize| {
        let pids = world.pids();
        let processed = workers.iter().filter(|worker| pids.contains(&worker.pid().to_string())).count();
        processed >= many
    };
    until("chunks of two workers", || by_workers(2));
    workers[0].signal("-KILL");
    let before = world.items().len();
    until("further chunks", || world.items().len() > before + 200);
    manager.signal("-KILL");
    let mut manager = manager;
    manager.wait();
    assert!(world.items().len() < 4000, "the manager was too quick");
    let run = start(&world, RUN, &url).wait();
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(world.items(), numbers(4000));
    for mut worker in workers.into_iter().skip(1) {
        worker.signal("-TERM");
        let run = worker.wait();
        assert_eq!(run.code, 0, "{run}");
    }
}

/// The numbers in the order in which they were written.
fn written(world: &World) -> Vec<i64> {
    world.column("SELECT n FROM item ORDER BY rowid").iter().map(|n| n.parse().unwrap()).collect()
}

#[test]
fn a_run_starts_workers_for_its_chunks_and_writes_them_in_order() {
    let Some(server) = rabbitmq::server() else { return };
    let world = World::new();
    let line = "run prices --count 6000 --micros 1000 --workers local:2";
    let run = start(&world, line, &server.url()).wait();
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(written(&world), numbers(6000));
    // The manager and its two child processes.
    assert_eq!(world.pids().len(), 3);
}

#[test]
fn a_server_that_dies_leaves_the_chunks_to_the_threads_of_the_step() {
    let Some(server) = Server::start(None) else { return };
    let world = World::new();
    let _workers: Vec<_> = (0..2).map(|_| start(&world, "worker", &server.url())).collect();
    let line = "run prices --count 2000 --micros 1000 --workers remote";
    let mut manager = start(&world, line, &server.url());
    world.until_written(100);
    server.kill_9();
    let run = manager.wait();
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(written(&world), numbers(2000));
}

/// Loses what goes one way between the broker and a manager or its workers, in the middle of a step.
fn loses(way: Way, is_of_the_manager: bool) {
    let Some(server) = rabbitmq::server() else { return };
    let proxy = Proxy::in_front_of(server.port());
    let through = format!("{}?heartbeat=1", proxy.url(&server.url()));
    let direct = format!("{}?heartbeat=1", server.url());
    let (of_manager, of_workers) = if is_of_the_manager { (&through, &direct) } else { (&direct, &through) };
    let world = World::new();
    let line = format!("worker --idle-exit {LONGER_THAN_A_TEST}");
    let workers: Vec<_> = (0..2).map(|_| start(&world, &line, of_workers)).collect();
    let line = "run prices --count 20000 --micros 1000 --workers remote";
    let mut manager = start(&world, line, of_manager);
    until("chunks of a worker", || {
        let pids = world.pids();
        workers.iter().any(|worker| pids.contains(&worker.pid().to_string()))
    });
    proxy.lose(way);
    let before = world.items().len();
    until("further chunks", || world.items().len() >= (before + 200).min(20_000));
    proxy.heal();
    let run = manager.wait();
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(written(&world), numbers(20_000));
    for mut worker in workers {
        worker.signal("-TERM");
        let run = worker.wait();
        assert_eq!(run.code, 0, "{run}");
    }
}

#[test]
fn a_manager_whose_messages_are_lost_on_one_way_writes_each_chunk_once() {
    for way in [Way::ToServer, Way::ToClient] {
        loses(way, true);
    }
}

#[test]
fn workers_whose_messages_are_lost_on_one_way_lose_no_chunk() {
    for way in [Way::ToServer, Way::ToClient] {
        loses(way, false);
    }
}

#[test]
fn steps_with_remote_need_a_broker_for_workers_and_none_for_threads() {
    let world = World::new();
    let run = |line| world.start_command(world.command_of(env!("CARGO_BIN_EXE_chunks"), line)).wait();
    let refused = run("run prices --count 30 --micros 0 --workers local:2");
    assert_eq!(refused.code, 2, "{refused}");
    assert!(refused.err.contains("name it with `--broker`"), "{refused}");
    let alone = run("run prices --count 30 --micros 0");
    assert_eq!(alone.code, 0, "{alone}");
    assert_eq!(written(&world), numbers(30));
}

#[test]
fn a_chunk_that_takes_three_workers_with_it_fails_the_step_and_the_manager_lives_to_say_so() {
    let Some(server) = rabbitmq::server() else { return };
    let world = World::new();
    let line = "run prices --count 60 --deadly-at 20 --workers local:2";
    let run = start(&world, line, &server.url()).wait();
    assert_eq!(run.code, 1, "{run}");
    assert!(
        run.err.contains(
            "3 workers in a row were lost while they processed the chunk of records 21 to 30 of this run"
        ),
        "{run}"
    );
    assert_eq!(written(&world), numbers(20));
}
