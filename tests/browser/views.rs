//! Every view: its console messages, the hosts it asks, and its look on a narrow screen.

use std::collections::BTreeSet;

use url::Url;

use crate::browser::logged_in;
use crate::world::World;

/// The commands that have run before: a failure, skips, and a job with a schedule.
const BEFORE: [&str; 4] = [
    "run load_orders --to 30 --every 7",
    "run load_orders --to 40",
    "run report_orders --to 10",
    "run count_orders",
];

/// The addresses of all views.
const VIEWS: [&str; 19] = [
    "/",
    "/executions",
    "/executions?job=load_orders&status=completed&after=2",
    "/executions/1",
    "/executions/3",
    "/executions/1/graph",
    "/executions/1/skipped",
    "/executions/1/time",
    "/executions/1/compare?with=2",
    "/executions/1/log",
    "/executions/3/restart",
    "/jobs/load_orders/graph",
    "/jobs/load_orders/time",
    "/jobs/load_orders/start",
    "/jobs/load_orders/start?like=1",
    "/jobs/report_orders/start",
    "/jobs/send_orders/start",
    "/schedule",
    "/schedule/count_orders/backfill",
];

#[test]
fn no_view_makes_the_console_complain_or_asks_another_host() {
    let world = World::after(&BEFORE);
    let Some(browser) = logged_in(&world) else { return };
    for view in VIEWS {
        browser.open(view);
        assert!(!browser.text("h1").is_empty(), "{view}");
        assert_eq!(browser.console(), Vec::<String>::new(), "{view}");
    }
    let url = Url::parse(&world.url("/")).unwrap();
    let ours = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
    assert_eq!(browser.hosts(), BTreeSet::from([ours]));
}

#[test]
fn no_view_scrolls_sideways_on_a_narrow_screen() {
    let world = World::after(&BEFORE);
    let Some(browser) = logged_in(&world) else { return };
    browser.narrow(360);
    for view in VIEWS {
        browser.open(view);
        let script = "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
        assert_eq!(browser.execute(script), 0, "{view}");
    }
}

#[test]
fn every_field_has_a_label_and_every_table_a_head() {
    let world = World::after(&BEFORE);
    let Some(browser) = logged_in(&world) else { return };
    for view in VIEWS {
        browser.open(view);
        let script = "return [...document.querySelectorAll('input:not([type=hidden]), select, textarea')] \
            .filter(field => field.labels.length === 0).map(field => field.outerHTML) \
            .concat([...document.querySelectorAll('table:not(.log)')].filter(table => !table.tHead) \
            .map(table => table.outerHTML))";
        assert_eq!(browser.execute(script), serde_json::json!([]), "{view}");
        assert_eq!(browser.property("html", "lang"), "en", "{view}");
    }
}
