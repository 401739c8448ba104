//! `RabbitMQ` wakes managers and workers, and no result depends on it.

use batch_tests::certificates;
use batch_tests::proxy::{Cut, Proxy, Way};
use batch_tests::rabbitmq::{self, Server};

use super::world::{LONGER_THAN_A_TEST, Run, Running, World, numbers, until};

/// Starts three workers that use this broker.
fn workers(world: &World, broker: &str) -> Vec<Running> {
    let line = format!("worker --idle-exit {LONGER_THAN_A_TEST}");
    (0..3).map(|_| world.start_with(&line, &[("BATCH_BROKER", broker)])).collect()
}

/// Waits until this many workers have joined.
#[track_caller]
fn until_joined(world: &World, many: usize) {
    until("the workers", || world.run("workers --json").out.matches("\"pid\"").count() == many);
}

/// Sends SIGTERM to the workers, and waits until they end, each with exit code 0.
#[track_caller]
fn end(mut workers: Vec<Running>) -> Vec<Run> {
    for worker in &workers {
        worker.signal("-TERM");
    }
    let runs: Vec<Run> = workers.iter_mut().map(Running::wait).collect();
    for run in &runs {
        assert_eq!(run.code, 0, "{run}");
    }
    runs
}

const LOAD: &str = "run load --parts 9 --size 60 --micros 2000 --workers remote";

#[test]
fn three_workers_run_the_partitions_of_a_fourth_process() {
    let Some(server) = rabbitmq::server() else { return };
    let world = World::new();
    let workers = workers(&world, &server.url());
    until_joined(&world, 3);
    let run = world.run_with(LOAD, &[("BATCH_BROKER", &server.url())]);
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(world.items(), numbers(540));
    assert_eq!(world.pids().len(), 3);
    end(workers);
}

#[test]
fn no_message_is_left_after_the_partitions_of_a_run() {
    let Some(server) = Server::start(None) else { return };
    let world = World::new();
    let workers = workers(&world, &server.url());
    until_joined(&world, 3);
    let run = world.run_with(LOAD, &[("BATCH_BROKER", &server.url())]);
    assert_eq!(run.code, 0, "{run}");
    until("the end of the offers", || {
        let queues = server.control(&["-q", "list_queues", "name", "messages"]);
        let offers: Vec<_> = queues.lines().filter(|line| line.starts_with("batch.")).collect();
        !offers.is_empty() && offers.iter().all(|line| line.ends_with("\t0"))
    });
    end(workers);
}

#[test]
fn with_replies_off_the_manager_only_polls() {
    let Some(server) = rabbitmq::server() else { return };
    let world = World::new();
    let workers = workers(&world, &server.url());
    let run = world.run_with(&format!("{LOAD} --replies off"), &[("BATCH_BROKER", &server.url())]);
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(world.items(), numbers(540));
    end(workers);
}

#[test]
fn a_killed_worker_loses_nothing() {
    let Some(server) = rabbitmq::server() else { return };
    let world = World::new();
    let workers = workers(&world, &server.url());
    let mut manager = world.start_with(LOAD, &[("BATCH_BROKER", &server.url())]);
    world.until_written(50);
    let killed = world.pids().remove(0);
    workers.iter().filter(|worker| worker.pid().to_string() == killed).for_each(|one| one.signal("-KILL"));
    let run = manager.wait();
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(world.items(), numbers(540));
}

#[test]
fn a_server_that_dies_in_the_middle_of_a_step_only_slows_the_step_down() {
    let Some(server) = Server::start(None) else { return };
    let world = World::new();
    let workers = workers(&world, &server.url());
    let line = "run load --parts 30 --size 60 --micros 2000 --workers remote";
    let mut manager = world.start_with(line, &[("BATCH_BROKER", &server.url())]);
    world.until_written(50);
    server.kill_9();
    world.until_written(700);
    server.start_again();
    let run = manager.wait();
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(world.items(), numbers(1800));
    assert!(run.err.contains("no connection to RabbitMQ"), "{run}");
    for run in end(workers) {
        let told = run.err.matches("no connection to RabbitMQ").count();
        assert_eq!(told, 1, "{run}");
    }
}

/// Waits until three workers consume from every queue of offers.
#[track_caller]
fn until_consumed(server: &Server) {
    until("the consumers", || {
        let queues = server.control(&["-q", "list_queues", "name", "consumers"]);
        let offers: Vec<_> = queues.lines().filter(|line| line.starts_with("batch.")).collect();
        !offers.is_empty() && offers.iter().all(|line| line.ends_with("\t3"))
    });
}

#[test]
fn workers_that_have_lost_the_server_hear_from_it_again_when_it_is_back() {
    let Some(server) = Server::start(None) else { return };
    let world = World::new();
    let workers = workers(&world, &server.url());
    // A server that dies while it creates a queue loses that queue.
    until_consumed(&server);
    server.kill_9();
    server.start_again();
    until_consumed(&server);
    let run = world.run_with(LOAD, &[("BATCH_BROKER", &server.url())]);
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(world.items(), numbers(540));
    for run in end(workers) {
        assert!(run.err.contains("reconnected"), "{run}");
    }
}

#[test]
fn a_server_that_is_not_there_is_reported_once() {
    let world = World::new();
    // Nothing listens on port 9, which is reserved for the discard service.
    let nowhere = "amqp://guest:hunter2@127.0.0.1:9";
    let workers = workers(&world, nowhere);
    let run = world.run_with(LOAD, &[("BATCH_BROKER", nowhere)]);
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(world.items(), numbers(540));
    assert_eq!(run.err.matches("no connection to RabbitMQ at amqp://guest@127.0.0.1:9").count(), 1, "{run}");
    assert!(!run.err.contains("hunter2"), "{run}");
    end(workers);
}

#[test]
fn a_server_that_is_short_of_memory_holds_nothing_up() {
    let Some(server) = Server::start(None) else { return };
    let world = World::new();
    let workers = workers(&world, &server.url());
    until_joined(&world, 3);
    server.control(&["set_vm_memory_high_watermark", "absolute", "1"]);
    let run = world.run_with(LOAD, &[("BATCH_BROKER", &server.url())]);
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(world.items(), numbers(540));
    server.control(&["set_vm_memory_high_watermark", "0.4"]);
    end(workers);
}

#[test]
fn a_queue_that_is_deleted_is_created_again() {
    let Some(server) = Server::start(None) else { return };
    let world = World::new();
    let workers = workers(&world, &server.url());
    until_joined(&world, 3);
    until_consumed(&server);
    for queue in
        server.control(&["-q", "list_queues", "name"]).lines().filter(|line| line.starts_with("batch."))
    {
        server.control(&["delete_queue", queue]);
    }
    until_consumed(&server);
    let run = world.run_with(LOAD, &[("BATCH_BROKER", &server.url())]);
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(world.items(), numbers(540));
    end(workers);
}

#[test]
fn messages_of_others_in_the_queue_change_nothing() {
    let Some(server) = Server::start(None) else { return };
    let world = World::new();
    let workers = workers(&world, &server.url());
    until_joined(&world, 3);
    let queues = server.control(&["-q", "list_queues", "name"]);
    for queue in queues.lines().filter(|line| line.starts_with("batch.")) {
        let bodies = ["", "{}", "\\\"v\\\":1", "{\\\"v\\\":9}", "{\\\"v\\\":1,\\\"queue\\\":\\\"other\\\"}"];
        let publish = |body| {
            format!(
                "rabbit_basic:publish(rabbit_misc:r(<<\"/\">>, exchange, <<>>), <<\"{queue}\">>, [], <<\"{body}\">>)"
            )
        };
        server.control(&["eval", &format!("{}.", bodies.map(publish).join(", "))]);
    }
    let run = world.run_with(LOAD, &[("BATCH_BROKER", &server.url())]);
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(world.items(), numbers(540));
    end(workers);
}

#[test]
fn a_problem_that_waiting_does_not_solve_is_refused_in_one_line_and_nothing_is_written() {
    let Some(server) = rabbitmq::server() else { return };
    server.control(&["add_user", "reader", "hunter2"]);
    server.control(&["set_permissions", "reader", "^$", "^$", ".*"]);
    let port = server.port();
    for (url, expected) in [
        ("amqp://", "names no host"),
        ("http://etl:hunter2@mq", "does not begin with `amqp://`"),
        ("amqp://etl:hunter2@mq:port", "host or port"),
        ("amqp://etl:hunter2@no-such-host.invalid", "cannot be found"),
        (&format!("amqp://guest:hunter2@127.0.0.1:{port}"), "refuses the user or the password"),
        (&format!("amqp://guest:guest@127.0.0.1:{port}/nowhere"), "refuses the virtual host"),
        (&format!("amqp://reader:hunter2@127.0.0.1:{port}"), "refuses the queue"),
        (&format!("amqps://guest:guest@127.0.0.1:{port}"), "does not answer like RabbitMQ"),
    ] {
        for line in [LOAD, "worker --idle-exit 1s"] {
            let world = World::new();
            let run = world.run_with(line, &[("BATCH_BROKER", url)]);
            assert_eq!(run.code, 2, "{url}: {run}");
            assert!(run.err.contains(expected), "{url}: {run}");
            assert_eq!(run.err.trim().lines().count(), 1, "{url}: {run}");
            assert!(!run.err.contains("hunter2") && !run.err.contains("guest:guest"), "{url}: {run}");
            assert!(world.column("SELECT 1 FROM BATCH_JOB_EXECUTION").is_empty(), "{url}");
        }
    }
}

#[test]
fn a_queue_with_other_arguments_is_refused_and_the_message_names_it() {
    let Some(server) = Server::start(None) else { return };
    let world = World::new();
    // The name of the queue is known once a worker has created it.
    let workers = workers(&world, &server.url());
    until_joined(&world, 3);
    end(workers);
    let queues = server.control(&["-q", "list_queues", "name"]);
    for queue in queues.lines().filter(|line| line.starts_with("batch.")) {
        server.control(&["delete_queue", queue]);
        let declare = format!(
            "rabbit_amqqueue:declare(rabbit_misc:r(<<\"/\">>, queue, <<\"{queue}\">>), true, false, [], none, <<\"tests\">>)."
        );
        server.control(&["eval", &declare]);
    }
    let run = world.run_with(LOAD, &[("BATCH_BROKER", &server.url())]);
    assert_eq!(run.code, 2, "{run}");
    assert!(run.err.contains("refuses the queue `batch."), "{run}");
    assert_eq!(run.err.trim().lines().count(), 1, "{run}");
}

#[test]
fn connections_that_are_cut_at_any_byte_lose_nothing() {
    let Some(server) = rabbitmq::server() else { return };
    let proxy = Proxy::in_front_of(server.port());
    let broker = proxy.url(&server.url());
    let world = World::new();
    let workers = workers(&world, &broker);
    until_joined(&world, 3);
    let mut written = 0;
    for bytes in [0, 1, 9, 70, 200, 333, 500, 800, 1_300, 2_100] {
        for cut in [Cut::ToServer(bytes), Cut::ToClient(bytes)] {
            proxy.cut(cut);
            let database = format!("--repository batch.db --run {written}");
            let line = format!("run load_more --parts 6 --size 20 --micros 500 --workers remote {database}");
            let run = world.run_with(&line, &[("BATCH_BROKER", &broker)]);
            assert_eq!(run.code, 0, "after {bytes} bytes: {run}");
            written += 1;
        }
    }
    let mut expected = Vec::new();
    (0..written).for_each(|_| expected.extend(numbers(120)));
    expected.sort_unstable();
    assert_eq!(world.items(), expected);
    end(workers);
}

#[test]
fn a_network_that_swallows_everything_holds_nothing_up() {
    let Some(server) = rabbitmq::server() else { return };
    let proxy = Proxy::in_front_of(server.port());
    let broker = format!("{}?heartbeat=1", proxy.url(&server.url()));
    let world = World::new();
    let workers = workers(&world, &broker);
    until_joined(&world, 3);
    let line = "run load --parts 30 --size 60 --micros 2000 --workers remote";
    let mut manager = world.start_with(line, &[("BATCH_BROKER", &broker)]);
    world.until_written(50);
    proxy.swallow(true);
    let run = manager.wait();
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(world.items(), numbers(1800));
    end(workers);
}

#[test]
fn a_network_that_loses_what_goes_one_way_holds_nothing_up() {
    let Some(server) = rabbitmq::server() else { return };
    for way in [Way::ToServer, Way::ToClient] {
        let proxy = Proxy::in_front_of(server.port());
        let broker = format!("{}?heartbeat=1", proxy.url(&server.url()));
        let world = World::new();
        let workers = workers(&world, &broker);
        until_joined(&world, 3);
        let mut manager = world.start_with(LOAD, &[("BATCH_BROKER", &broker)]);
        world.until_written(50);
        proxy.lose(way);
        let run = manager.wait();
        assert_eq!(run.code, 0, "{run}");
        assert_eq!(world.items(), numbers(540));
        proxy.heal();
        end(workers);
    }
}

#[test]
fn messages_go_through_tls() {
    let folder = tempfile::tempdir().unwrap();
    let Some(()) = certificates(folder.path()) else { return };
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    let Some(server) = Server::start(Some((&read("server.crt"), &read("server.key")))) else { return };
    let trusted = format!("{}?cacertfile={}", server.tls_url(), folder.path().join("ca.crt").display());
    let world = World::new();
    let workers = workers(&world, &trusted);
    until_joined(&world, 3);
    let run = world.run_with(LOAD, &[("BATCH_BROKER", &trusted)]);
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(world.items(), numbers(540));
    for run in end(workers) {
        assert!(!run.err.contains("no connection"), "{run}");
    }
    let plain = server.tls_url().replace("amqps://", "amqp://");
    let run = World::new().run_with(LOAD, &[("BATCH_BROKER", &plain)]);
    assert_eq!(run.code, 2, "{run}");
    assert!(run.err.contains("does not answer like RabbitMQ"), "{run}");
    // No authority that this machine trusts has signed the certificate.
    let run = World::new().run_with(LOAD, &[("BATCH_BROKER", &server.tls_url())]);
    assert_eq!(run.code, 2, "{run}");
    assert!(run.err.contains("certificate"), "{run}");
}
