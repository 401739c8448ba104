//! The buttons, from end to end, on both kinds of repository.

use serde_json::Value;

use crate::world::World;

/// Runs a test on both kinds of repository, if there is a server program.
fn on_both(test: impl Fn(World)) {
    test(World::new());
    #[cfg(feature = "postgres")]
    if let Some(database) = batch_tests::postgres::database() {
        test(World::at(database.url().to_owned()));
    }
}

fn shown(world: &World, execution: i64) -> Value {
    serde_json::from_str(&world.printed(&format!("show {execution} --json"))).unwrap()
}

#[test]
fn a_job_is_started_stopped_restarted_and_abandoned() {
    on_both(|world| {
        let server = world.serve("");
        let first = server.started("/jobs/load_orders/start", "p.to=100000&p.pause=2&do=start");
        world.wait_until(first, "STARTED");
        assert_eq!(
            server.post(&format!("/executions/{first}/stop"), "").location(),
            format!("/executions/{first}")
        );
        world.wait_until(first, "STOPPED");

        let second = server.started(&format!("/executions/{first}/restart"), "");
        world.wait_until(second, "STARTED");
        assert_eq!(shown(&world, second)["continues"], first);
        assert_eq!(server.post(&format!("/executions/{second}/abandon"), "").status, 409, "it runs");
        server.post(&format!("/executions/{second}/stop"), "").location();
        world.wait_until(second, "STOPPED");

        server.post(&format!("/executions/{second}/abandon"), "").location();
        world.wait_until(second, "ABANDONED");
        let page = server.get(&format!("/executions/{second}")).body;
        for done in ["Restart", "Stop", "Abandon"] {
            assert!(page.contains(&format!("<dt class=\"own\">{done}</dt>")), "what people did: {page}");
        }
        let refused = server.post(&format!("/executions/{second}/restart"), "");
        assert_eq!(refused.status, 409, "{refused:?}");
        let said = server.end();
        assert!(said.contains(&format!("started load_orders, execution {first}")), "{said}");
        assert!(said.contains(&format!("abandoned execution {second}")), "{said}");
    });
}

#[test]
fn a_dead_execution_is_recovered_and_restarted() {
    on_both(|world| {
        let running = world.start("run load_orders --to 100000 --pause 2");
        let id = world.wait_for("that runs", |it| it["status"] == "STARTED");
        running.kill();
        world.wait_for("whose process is dead", |it| it["owner_state"] == "dead");
        let server = world.serve("");
        let page = server.get(&format!("/executions/{id}")).body;
        assert!(
            page.contains("process dead") && page.contains(&format!("takes over from execution {id}")),
            "{page}"
        );
        server.post(&format!("/executions/{id}/recover"), "").location();
        assert_eq!(shown(&world, id)["exit_code"], "OWNER_LOST");
        let next = server.started(&format!("/executions/{id}/restart"), "p.pause=2");
        world.wait_until(next, "STARTED");
        server.post(&format!("/executions/{next}/stop"), "").location();
        world.wait_until(next, "STOPPED");
    });
}

#[test]
fn a_restart_takes_other_parameters_that_do_not_identify() {
    let world = World::new();
    assert!(!world.run("run report_orders --to 30").status.success());
    let server = world.serve("");
    let next = server.started("/executions/1/restart", "p.repair=yes");
    world.wait_until(next, "COMPLETED");
    assert_eq!(shown(&world, next)["parameters"]["repair"]["value"], "yes");
}

#[test]
fn skipped_items_are_replayed() {
    let world = World::new();
    assert!(world.run("run load_orders --to 30 --every 5").status.success());
    let server = world.serve("");
    let replay = server.started("/executions/1/replay", "");
    world.wait_for("that replays", |it| it["execution"] == replay && it["status"] != "STARTED");
    assert_eq!(shown(&world, replay)["parameters"]["batch.replay"]["value"], 1);
}

#[test]
fn a_refused_start_comes_back_with_what_was_typed() {
    let world = World::new();
    assert!(world.run("run load_orders --to 30").status.success());
    let server = world.serve("");
    let again = server.post("/jobs/load_orders/start", "p.to=30&p.pause=7&do=start");
    assert_eq!(again.status, 409);
    assert!(again.body.contains("already COMPLETED") && again.body.contains("value=\"7\""), "{again:?}");
    let wrong = server.post("/jobs/load_orders/start", "p.to=many&do=start");
    assert_eq!(wrong.status, 400);
    let next = server.started("/jobs/load_orders/start", "p.to=30&next=1&do=start");
    world.wait_until(next, "COMPLETED");
}

#[test]
fn a_job_goes_on_when_the_page_ends() {
    let world = World::new();
    let server = world.serve("");
    let id = server.started("/jobs/load_orders/start", "p.to=400&p.pause=5&do=start");
    server.end();
    world.wait_until(id, "COMPLETED");
}

#[test]
fn a_schedule_is_paused_and_resumed() {
    let world = World::new();
    let server = world.serve("");
    assert_eq!(server.post("/schedule/count_orders/pause", "").location(), "/schedule");
    assert!(!world.printed("schedule list --json").contains("\"paused\": null"));
    assert!(server.get("/schedule").body.contains(">paused</span>"));
    assert_eq!(server.post("/schedule/count_orders/resume", "").location(), "/schedule");
    assert!(world.printed("schedule list --json").contains("\"paused\": null"));
    assert_eq!(server.post("/schedule/load_orders/pause", "").status, 400);
}

#[test]
fn a_job_that_the_page_starts_has_a_log_there() {
    let world = World::new();
    assert!(world.run("run load_orders --to 5").status.success());
    let server = world.serve("--log-folder logs");
    let id = server.started("/jobs/load_orders/start", "p.to=30&p.every=5&do=start");
    world.wait_until(id, "COMPLETED");
    let log = server.get(&format!("/executions/{id}/log")).body;
    assert!(log.contains("job started") && log.contains("order 5 has no customer"), "{log}");
    assert!(world.path(&format!("logs/load_orders-{id}.jsonl")).exists());
    assert!(server.get("/executions/1/log").body.contains("There is no log"));
}
