//! A network that loses or holds back what goes one way, between a server and a manager or a worker.

use std::time::Duration;

use batch_tests::postgres::{Database, Options, Server};
use batch_tests::proxy::{Proxy, Way};

use super::world::{LONGER_THAN_A_TEST, Run, Running, World, numbers, until};

const WAYS: [Way; 2] = [Way::ToServer, Way::ToClient];

/// How long a network is down that is healed long before a lease runs out.
const SHORT: Duration = Duration::from_secs(5);

/// A repository on a server, and a proxy in front of it.
struct Network {
    world: World,
    _server: Server,
    database: Database,
    proxy: Proxy,
}

impl Network {
    fn new() -> Option<Self> {
        let server = Server::start(&Options::default())?;
        let (database, proxy) = (server.database(), Proxy::in_front_of(server.port()));
        Some(Self { world: World::new(), _server: server, database, proxy })
    }

    /// The URL that goes around the proxy.
    fn direct(&self) -> String {
        self.database.url().to_owned()
    }

    /// The URL that goes through the proxy.
    fn proxied(&self) -> String {
        self.proxy.url(self.database.url())
    }

    fn worker(&self, url: &str) -> Running {
        self.world.start_with(&format!("worker --idle-exit {LONGER_THAN_A_TEST} --repository {url}"), &[])
    }

    fn manager(&self, url: &str) -> Running {
        self.world
            .start(&format!("load --parts 9 --size 60 --micros 3000 --workers remote --repository {url}"))
    }

    fn items(&self) -> Vec<i64> {
        let rows = self.database.connect().query("SELECT n FROM item ORDER BY n", &[]);
        rows.map(|rows| rows.iter().map(|row| row.get(0)).collect()).unwrap_or_default()
    }

    fn until_written(&self, many: usize) {
        until("the first items", || self.items().len() >= many);
    }

    /// Asserts that the run has written every number once.
    fn has_completed(&self, run: &Run) {
        assert_eq!(run.code, 0, "{run}");
        assert_eq!(self.items(), numbers(540));
    }
}

fn a_worker_that_loses(way: Way) {
    let Some(network) = Network::new() else { return };
    let mut cut_off = network.worker(&network.proxied());
    let mut manager = network.manager(&network.direct());
    // So far only this worker could have written them, and it is in the middle of a partition.
    network.until_written(20);
    network.proxy.lose(way);
    let other = network.worker(&network.direct());
    network.has_completed(&manager.wait());
    // It gives up although the network is still down.
    cut_off.wait();
    network.proxy.heal();
    assert_eq!(network.items(), numbers(540));
    other.signal("-TERM");
}

#[test]
fn a_worker_whose_statements_are_lost_gives_up_and_others_write_each_number_once() {
    a_worker_that_loses(Way::ToServer);
}

#[test]
fn a_worker_whose_answers_are_lost_gives_up_and_others_write_each_number_once() {
    a_worker_that_loses(Way::ToClient);
}

fn a_manager_that_loses(way: Way) {
    let Some(network) = Network::new() else { return };
    let workers: Vec<_> = (0..3).map(|_| network.worker(&network.direct())).collect();
    let mut manager = network.manager(&network.proxied());
    network.until_written(20);
    network.proxy.lose(way);
    // It gives up although the network is still down.
    let run = manager.wait();
    assert_ne!(run.code, 0, "{run}");
    network.proxy.heal();
    let run = network.manager(&network.proxied()).wait();
    network.has_completed(&run);
    for worker in &workers {
        worker.signal("-TERM");
    }
}

#[test]
fn a_manager_whose_statements_are_lost_gives_up_and_a_restart_completes_the_run() {
    a_manager_that_loses(Way::ToServer);
}

#[test]
fn a_manager_whose_answers_are_lost_gives_up_and_a_restart_completes_the_run() {
    a_manager_that_loses(Way::ToClient);
}

#[test]
fn a_network_that_holds_one_way_back_for_a_moment_only_slows_the_run_down() {
    for way in WAYS {
        let Some(network) = Network::new() else { return };
        let workers: Vec<_> = (0..2).map(|_| network.worker(&network.proxied())).collect();
        let mut manager = network.manager(&network.proxied());
        network.until_written(20);
        network.proxy.hold(way);
        std::thread::sleep(SHORT);
        network.proxy.heal();
        network.has_completed(&manager.wait());
        for worker in &workers {
            worker.signal("-TERM");
        }
    }
}
