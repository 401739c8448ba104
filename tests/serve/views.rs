//! The views of the page.

use crate::client::ask;
use crate::world::World;

/// The views of an execution.
const OF_EXECUTION: [&str; 5] = ["", "/graph", "/skipped", "/time", "/restart"];

/// A world with an execution that is completed (1), failed with skips (2, 3), stopped (4), and running (5).
fn world() -> (World, crate::world::Running) {
    let world = World::new();
    assert!(world.run("run load_orders --to 40").status.success());
    assert!(!world.run("run report_orders --to 30").status.success());
    assert!(!world.run("run report_orders --to 30").status.success());
    let stopped = world.start("run load_orders --to 100000 --pause 2");
    world.wait_until(4, "STARTED");
    assert!(world.run("stop 4").status.success());
    world.wait_until(4, "STOPPED");
    drop(stopped);
    let running = world.start("run load_orders --to 100001 --pause 2");
    world.wait_until(5, "STARTED");
    (world, running)
}

#[test]
fn every_view_shows_every_kind_of_execution() {
    let (world, _running) = world();
    let server = world.serve("");
    for (execution, word) in [(1, "completed"), (2, "failed"), (3, "failed"), (4, "stopped"), (5, "running")]
    {
        for view in OF_EXECUTION {
            let path = format!("/executions/{execution}{view}");
            let page = server.get(&path);
            assert_eq!(page.status, 200, "{path}: {page:?}");
            assert!(page.body.starts_with("<!DOCTYPE html>") && page.body.ends_with("</html>"), "{path}");
        }
        let page = server.get(&format!("/executions/{execution}"));
        assert!(page.body.contains(&format!("status {word}\">{word}</span>")), "{execution}: {page:?}");
    }
    for path in ["/", "/executions", "/executions?job=load_orders", "/jobs/load_orders/time", "/schedule"] {
        assert_eq!(server.get(path).status, 200, "{path}");
    }
}

#[test]
fn a_failed_execution_says_why_and_what_its_instance_did() {
    let (world, _running) = world();
    let page = world.serve("").get("/executions/3").body;
    let cause = "the report needs a table that is not there:\n  no such table: customers";
    assert!(page.contains(cause), "the lines of the error: {page}");
    assert!(page.contains("href=\"/executions/2\""), "the chain of restarts: {page}");
    assert!(page.contains("resumes execution 3 after its last commit"), "what Restart would do: {page}");
    assert!(page.contains("<b>Stop</b>: execution 3 is not running: it is FAILED"), "{page}");
}

#[test]
fn a_button_says_why_it_does_nothing_as_the_command_would() {
    let (world, _running) = world();
    let server = world.serve("");
    for (execution, label, command) in [
        (1, "Restart, Abandon", "restart 1"),
        (1, "Stop", "stop 1"),
        (1, "Restart, Abandon", "abandon 1"),
        (2, "Stop", "stop 2"),
        (4, "Stop", "stop 4"),
        (5, "Restart, Abandon", "restart 5"),
        (5, "Restart, Abandon", "abandon 5"),
    ] {
        let refused = String::from_utf8(world.run(command).stderr).unwrap();
        let why = refused.trim().trim_start_matches("error: ").to_owned();
        let page = server.get(&format!("/executions/{execution}")).body;
        let plain = page.replace("<code>", "`").replace("</code>", "`");
        assert!(plain.contains(&format!("<b>{label}</b>: {why}")), "{command}: {why}\n{page}");
    }
}

#[test]
fn a_running_execution_shows_how_far_it_is() {
    let (world, _running) = world();
    let page = world.serve("").get("/executions/5").body;
    assert!(page.contains("is alive") && page.contains("<progress"), "{page}");
    assert!(page.contains("data-follow"), "{page}");
}

#[test]
fn each_step_of_a_graph_is_a_link_to_its_row() {
    let (world, _running) = world();
    let server = world.serve("");
    let graph = server.get("/executions/3/graph").body;
    let links = graph.split("<a id=\"graph-step-").skip(1);
    let links: Vec<&str> = links.filter_map(|link| link.split("href=\"").nth(1)?.split('"').next()).collect();
    // Execution 2 has completed the first step, and 3 has only repeated the second one.
    assert_eq!(links.len(), 2, "{graph}");
    for (link, execution) in links.iter().zip(["/executions/2", "/executions/3"]) {
        let (page, row) = link.split_once('#').unwrap();
        assert_eq!(page, execution, "{links:?}");
        assert!(server.get(page).body.contains(&format!("<tr id=\"{row}\"")), "{link}");
    }
    let picture = world.printed("graph --execution 3 --format svg");
    assert!(!picture.contains("<a "), "a file does not know where the page is: {picture}");
}

#[test]
fn only_what_has_changed_is_sent_again() {
    let (world, _running) = world();
    let server = world.serve("");
    let headers = [server.host(), server.bearer(), "X-Fragment: 1".to_owned()];
    let first = ask(server.port, "GET /executions/1", &headers, b"");
    assert!(first.body.starts_with("<p class=\"lead\""), "{first:?}");
    let known = format!("If-None-Match: {}", first.header("etag").unwrap());
    let headers: Vec<String> = headers.into_iter().chain([known]).collect();
    let again = ask(server.port, "GET /executions/1", &headers, b"");
    assert_eq!((again.status, again.body.as_str()), (304, ""));
}

#[test]
fn the_text_of_an_error_is_not_html() {
    let (world, _running) = world();
    let server = world.serve("");
    for path in
        ["/executions/2/skipped", "/executions?parameter=%3Cscript%3E", "/executions?job=%3Cscript%3E"]
    {
        let page = server.get(path).body;
        assert!(!page.contains("<script>") && !page.contains("customer <b>"), "{path}: {page}");
    }
    let skipped = server.get("/executions/2/skipped").body;
    assert!(skipped.contains("order 7 has no customer &lt;b&gt;&amp;amp;&lt;/b&gt;"), "{skipped}");
}

#[test]
fn a_page_asks_no_other_host_and_has_no_script_of_its_own() {
    let (world, _running) = world();
    let server = world.serve("");
    let paths = [
        "/",
        "/executions",
        "/executions/5",
        "/executions/3/graph",
        "/jobs/load_orders/start",
        "/page.css",
        "/page.js",
    ];
    for path in paths {
        let page = server.get(path).body.replace("http://www.w3.org/2000/svg", "");
        for foreign in ["http:", "https:", "src=\"//", "url(", "@import", " style=\"", " onclick", "<style"] {
            assert!(!page.contains(foreign), "{path} has {foreign}: {page}");
        }
    }
}

#[test]
fn the_list_is_filtered_and_paged_by_its_address() {
    let world = World::new();
    for to in 1..=7 {
        assert!(world.run(&format!("run load_orders --to {to}")).status.success());
    }
    let server = world.serve("");
    let first = server.get("/executions?limit=3").body;
    assert!(first.contains("href=\"/executions/7\"") && !first.contains("href=\"/executions/4\""), "{first}");
    assert!(first.contains("href=\"/executions?limit=3&amp;after=5\""), "{first}");
    let next = server.get("/executions?limit=3&after=5").body;
    assert!(next.contains("href=\"/executions/4\"") && !next.contains("href=\"/executions/5\""), "{next}");
    let filtered = server.get("/executions?parameter=to%3D6").body;
    assert!(
        filtered.contains("href=\"/executions/6\"") && !filtered.contains("href=\"/executions/5\""),
        "{filtered}"
    );
    let wrong = server.get("/executions?since=yesterday");
    assert!(wrong.body.contains("expected a time in UTC"), "{wrong:?}");
}

#[test]
fn a_form_says_what_it_would_do() {
    let (world, _running) = world();
    let server = world.serve("");
    // Filled in from the last execution, which runs.
    assert!(server.get("/jobs/load_orders/start").body.contains("already running as execution 5"));
    assert!(server.get("/jobs/load_orders/start?like=1").body.contains("already COMPLETED"));
    let check = |form: &str| server.post("/jobs/load_orders/start", &format!("{form}&do=check")).body;
    assert!(check("p.to=100000").contains("resumes execution 4 after its last commit"));
    assert!(check("p.to=77").contains("begins a new instance"));
    assert!(check("p.to=40&next=1").contains("begins a new instance"));
    assert!(check("p.to=many").contains("aria-invalid"), "the field says what is wrong");
    assert_eq!(
        world.printed("executions --json").matches("\"execution\":").count(),
        5,
        "a check starts nothing"
    );
}
