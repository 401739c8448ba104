//! Workers that process the chunks of another process over `RabbitMQ`.

use batch_tests::rabbitmq;

use super::world::{Running, World, numbers, until};

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
    let workers: Vec<_> = (0..3).map(|_| start(&world, "worker --idle-exit 2m", &url)).collect();
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

#[test]
fn workers_for_chunks_without_a_broker_are_refused() {
    let world = World::new();
    let run = world.start_command(world.command_of(env!("CARGO_BIN_EXE_chunks"), RUN)).wait();
    assert_eq!(run.code, 2, "{run}");
    assert!(run.err.contains("write `--workers remote` and `--broker URL`"), "{run}");
}
