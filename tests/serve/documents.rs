//! The documents of the page are those of the command line.

use crate::world::World;

#[test]
fn each_document_is_that_of_the_command_line() {
    let world = World::new();
    assert!(world.run("run load_orders --to 40 --every 5").status.success());
    assert!(!world.run("run report_orders --to 30").status.success());
    assert!(!world.run("run report_orders --to 30 --every 3").status.success());
    let server = world.serve("");
    for (path, line) in [
        ("/jobs.json", "jobs --json"),
        ("/executions.json?limit=20", "executions --json"),
        ("/executions.json?job=report_orders&limit=1", "executions report_orders --limit 1 --json"),
        ("/executions.json?status=failed,stopped&limit=20", "executions --status failed,stopped --json"),
        (
            "/executions.json?status=failed&status=stopped&limit=20",
            "executions --status failed,stopped --json",
        ),
        (
            "/executions.json?parameter=to%3D40&since=1h&limit=20",
            "executions --parameter to=40 --since 1h --json",
        ),
        ("/executions.json?after=2&limit=20", "executions --after 2 --json"),
        ("/executions/1.json", "show 1 --json"),
        ("/executions/2.json", "show 2 --json"),
        ("/executions/3.json", "show 3 --json"),
        ("/executions/3/skipped.json?limit=10000", "show 3 --skipped --json"),
        ("/executions/3/skipped.json?limit=2&after=1:2", "show 3 --skipped --limit 2 --after 1:2 --json"),
        ("/executions/3/skipped.csv", "show 3 --skipped --csv"),
        ("/executions/3/compare.json?with=2", "show 3 --compare 2 --json"),
        ("/executions/3/time.json", "show 3 --json"),
        ("/executions/3/graph.json", "graph --execution 3 --json"),
        ("/executions/3/graph.json?format=svg", "graph --execution 3 --format svg --json"),
        ("/jobs/report_orders/graph.json?format=dot", "graph report_orders --format dot --json"),
        ("/schedule.json", "schedule list --json"),
    ] {
        let (page, printed) = (server.get(path), world.printed(line));
        assert_eq!(page.status, 200, "{path}: {page:?}");
        assert_eq!(page.body, printed, "{path}");
    }
}

#[test]
fn the_times_of_a_job_are_the_documents_of_its_executions_latest_first() {
    let world = World::new();
    assert!(world.run("run load_orders --to 40 --every 5").status.success());
    assert!(world.run("run load_orders --to 50 --every 5").status.success());
    let server = world.serve("");
    let (page, printed) = (server.get("/jobs/load_orders/time.json"), "show 2 --compare 1 --json");
    assert_eq!((page.status, page.body), (200, world.printed(printed)));
}

#[test]
fn an_error_is_that_of_the_command_line() {
    let world = World::new();
    assert!(world.run("run load_orders --to 5").status.success());
    let server = world.serve("");
    for (path, line, status) in [
        ("/executions/99.json", "show 99 --json", 404),
        ("/executions.json?job=load_order", "executions load_order --json", 404),
        ("/executions/99/skipped.json", "show 99 --skipped --json", 404),
    ] {
        let (page, printed) = (server.get(path), world.printed(line));
        assert_eq!((page.status, page.body.as_str()), (status, printed.as_str()), "{path}");
    }
    for path in ["/executions/x", "/nothing", "/executions/1/nothing", "/jobs/nothing/start"] {
        assert_eq!(server.get(path).status, 404, "{path}");
    }
    assert_eq!(server.get("/executions.json?status=done").status, 400);
}
