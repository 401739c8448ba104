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
        assert_eq!(server.post(&format!("/executions/{second}/abandon"), "").status, 409, "it is running");
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
fn the_command_at_the_end_runs_for_what_the_page_starts_and_recovers() {
    let world = World::new().on_end("cat > /dev/null; echo $BATCH_EXECUTION $BATCH_EXIT_CODE >> ended");
    let running = world.start("run load_orders --to 100000 --pause 2");
    let lost = world.wait_for("that runs", |it| it["status"] == "STARTED");
    running.kill();
    world.wait_for("whose process is dead", |it| it["owner_state"] == "dead");
    let server = world.serve("");
    server.post(&format!("/executions/{lost}/recover"), "").location();
    let started = server.started("/jobs/load_orders/start", "p.to=10&do=start");
    let until = std::time::Instant::now() + std::time::Duration::from_mins(2);
    for line in [format!("{lost} OWNER_LOST\n"), format!("{started} COMPLETED\n")] {
        while !std::fs::read_to_string(world.path("ended")).is_ok_and(|ended| ended.contains(&line)) {
            assert!(std::time::Instant::now() < until, "the command never ran for {line}");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
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

/// The next time of the schedule, as the parameter of a run holds it.
fn next_time(world: &World) -> String {
    let document: Value = serde_json::from_str(&world.printed("schedule list --json")).unwrap();
    document["schedules"][0]["next"][0]["scheduled"].as_str().unwrap().to_owned()
}

/// The number of executions.
fn executions(world: &World) -> usize {
    let document: Value = serde_json::from_str(&world.printed("executions --json")).unwrap();
    document["executions"].as_array().map_or(0, Vec::len)
}

#[test]
fn the_next_scheduled_run_starts_at_once_and_only_once() {
    on_both(|world| {
        let server = world.serve("");
        let next = next_time(&world);
        let form = format!("scheduled={next}");
        let id = server.started("/schedule/count_orders/trigger", &form);
        world.wait_until(id, "COMPLETED");
        assert_eq!(shown(&world, id)["parameters"]["schedule.time"]["value"], next.as_str());
        let again = server.post("/schedule/count_orders/trigger", &form);
        assert_eq!(again.status, 409, "{again:?}");
        assert!(again.body.contains("already COMPLETED"), "{again:?}");
        let page = server.get("/schedule").body;
        assert!(page.contains("<b>Run next now</b>: ") && page.contains("already COMPLETED"), "{page}");
        assert_eq!(executions(&world), 1);
        assert!(server.get(&format!("/executions/{id}")).body.contains("<dt class=\"own\">Start</dt>"));
        assert!(server.end().contains(&format!("started count_orders, execution {id}")));
    });
}

#[test]
fn a_stale_page_starts_no_run_for_another_time_than_it_shows() {
    let world = World::new();
    let server = world.serve("");
    let stale = server.post("/schedule/count_orders/trigger", "scheduled=2024-01-07T18:00:00Z");
    assert_eq!(stale.status, 409, "{stale:?}");
    assert!(stale.body.contains(&format!("is now {}", next_time(&world))), "{stale:?}");
    assert_eq!(executions(&world), 0);
}

#[test]
fn the_job_runs_for_the_scheduled_times_of_past_days() {
    on_both(|world| {
        let server = world.serve("");
        let path = "/schedule/count_orders/backfill";
        let form = "first=2024-01-01&last=2024-01-31";
        let checked = server.post(path, &format!("{form}&do=check")).body;
        assert!(checked.contains("count_orders for 5 scheduled times"), "{checked}");
        assert!(checked.contains("<li>2024-01-28T18:00:00Z</li>"), "{checked}");
        assert_eq!(executions(&world), 0, "a check runs nothing");

        let answer = server.post(path, &format!("{form}&do=start"));
        assert_eq!(answer.location(), "/executions?job=count_orders");
        world.wait_until(5, "COMPLETED");
        let again = server.post(path, &format!("{form}&do=start"));
        assert_eq!(again.status, 409, "{again:?}");
        assert!(again.body.contains("there is nothing to run"), "{again:?}");
        assert_eq!(executions(&world), 5);
        let said = server.end();
        assert!(said.contains("started a backfill of count_orders, 2024-01-01..2024-01-31"), "{said}");
    });
}

#[test]
fn a_backfill_refuses_days_that_cannot_be_run() {
    let world = World::new();
    let server = world.serve("");
    let path = "/schedule/count_orders/backfill";
    for (form, status, why) in [
        ("", 400, "needs two dates"),
        ("first=2024-01-01", 400, "needs two dates"),
        ("first=2024-01-08&last=2024-01-01", 400, "later than the last"),
        ("first=Monday&last=2024-01-01", 400, "expected two dates"),
        ("first=1990-01-01&last=2024-01-01", 400, "more than 1,000 scheduled times"),
        ("first=2024-01-02&last=2024-01-03", 409, "nothing to run"),
        ("first=9998-01-01&last=9999-01-01", 409, "nothing to run"),
        ("first=2024-01-01&last=2024-01-31&failed_only=1", 409, "nothing to run"),
    ] {
        let answer = server.post(path, &format!("{form}&do=start"));
        assert_eq!(answer.status, status, "{form}: {answer:?}");
        assert!(answer.body.contains(why), "{form}: {answer:?}");
    }
    let form = "first=2024-01-01&last=2024-01-31&do=start";
    for action in ["backfill", "trigger"] {
        assert_eq!(server.post(&format!("/schedule/load_orders/{action}"), form).status, 400);
        assert_eq!(server.post(&format!("/schedule/nothing/{action}"), form).status, 404);
    }
    assert_eq!(executions(&world), 0);
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
    assert!(server.get("/executions/1/log").body.contains("There is no log here"));
    let document = |id: &str| -> serde_json::Value {
        serde_json::from_str(&server.get(&format!("/executions/{id}/log.json")).body).unwrap()
    };
    let messages: Vec<_> = document(&id.to_string())["lines"].as_array().unwrap().clone();
    assert!(messages.iter().any(|line| line["message"] == "job started"), "{messages:?}");
    assert_eq!(document("1"), serde_json::json!({ "execution": 1, "file": null, "lines": [] }));
}

#[test]
fn a_run_that_was_started_elsewhere_says_where_its_log_is() {
    let world = World::new();
    let with_log = world.start("run load_orders --to 100000 --pause 2 --log own.jsonl");
    let first = world.wait_for("with a log", |it| it["status"] == "STARTED");
    let server = world.serve("--log-folder logs");
    let place = world.path("own.jsonl").canonicalize().unwrap();
    for path in ["", "/log"] {
        let page = server.get(&format!("/executions/{first}{path}")).body;
        assert!(page.contains(&format!("writes the log <code>{}</code>", place.display())), "{page}");
    }
    with_log.kill();
    let page = server.get(&format!("/executions/{first}/log")).body;
    assert!(page.contains("with <code>--log FILE</code>"), "nobody knows it any more: {page}");

    let _without = world.start("run load_orders --to 100001 --pause 2");
    let second = world.wait_for("without a log", |it| it["execution"] != first && it["status"] == "STARTED");
    let page = server.get(&format!("/executions/{second}/log")).body;
    assert!(page.contains("it was started without <code>--log</code>"), "{page}");
}
