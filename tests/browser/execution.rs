//! An execution that is watched, stopped and restarted.

use std::fs;

use crate::browser::{Browser, logged_in};
use crate::world::World;

/// Starts a long job, and opens the page of its execution.
fn started(browser: &Browser<'_>) {
    browser.open("/jobs/load_orders/start");
    browser.fill("#field-to", "100000");
    browser.fill("#field-pause", "5");
    browser.click("button[value=start]");
    browser.wait_for(".lead", "running");
}

/// The items that the step has read, as the page shows it.
fn read(browser: &Browser<'_>) -> u64 {
    let text = browser.text("td[data-label=Read]");
    text.replace(',', "").parse().unwrap_or_else(|_| panic!("{text}"))
}

#[test]
fn the_counters_of_a_running_execution_move_without_a_reload() {
    let world = World::after(&[]);
    let Some(browser) = logged_in(&world) else { return };
    started(&browser);
    browser.execute("window.isTheSame = true");
    let first = read(&browser);
    let later = browser.until("more items", || Some(read(&browser)).filter(|later| *later > first));
    browser.until("still more items", || (read(&browser) > later).then_some(()));
    assert_eq!(browser.execute("return window.isTheSame"), true, "the page was loaded again");
}

#[test]
fn a_running_execution_is_stopped_and_restarted() {
    let world = World::after(&[]);
    let Some(browser) = logged_in(&world) else { return };
    started(&browser);
    browser.click("#button-stop:enabled");
    browser.wait_for(".lead", "stopped");
    assert_eq!(browser.address(), "/executions/1");

    browser.click("#button-restart:enabled");
    browser.wait_for(".lead", "running");
    assert_eq!(browser.address(), "/executions/2");
    assert_eq!(browser.count(".chain li"), 2);
    browser.click("#button-stop:enabled");
    browser.wait_for(".lead", "stopped");
}

#[test]
fn a_failed_execution_shows_its_cause_and_is_restarted_with_another_parameter() {
    let world = World::after(&["run report_orders --to 10"]);
    let Some(browser) = logged_in(&world) else { return };
    browser.open("/executions/1");
    browser.wait_for(".cause", "no such table: customers");

    browser.click("#button-restart-with");
    browser.fill("#field-repair", "yes");
    browser.click("button[value=start]");
    browser.wait_for_address("/executions/2");
    browser.wait_for(".lead", "completed");
}

#[test]
fn a_question_is_asked_before_an_execution_is_abandoned() {
    let world = World::after(&["run report_orders --to 10"]);
    let Some(browser) = logged_in(&world) else { return };
    browser.open("/executions/1");
    browser.click("#button-abandon");
    browser.say_yes();
    browser.wait_for(".lead", "abandoned");
    assert_eq!(browser.count("#button-restart:disabled"), 1);
}

#[test]
fn a_step_of_the_graph_is_reached_by_keyboard_and_leads_to_its_row() {
    let world = World::after(&["run report_orders --to 10"]);
    let Some(browser) = logged_in(&world) else { return };
    browser.open("/executions/1/graph");
    assert_eq!(browser.count(".graph a"), 2);
    browser.execute("document.querySelector('.graph a').focus()");
    assert_eq!(browser.execute("return document.activeElement.tagName"), "a");
    browser.click(".graph a");
    browser.wait_for_address("/executions/1");
    browser.wait_for("tr:target", "load");
    assert_eq!(browser.console(), Vec::<String>::new());
}

#[test]
fn a_skipped_item_is_read_with_its_reason() {
    let world = World::after(&["run load_orders --to 20 --every 8"]);
    let Some(browser) = logged_in(&world) else { return };
    browser.open("/executions/1");
    browser.click("a[href$='/skipped']");
    browser.wait_for("tbody", "order 8 has no customer <b>&amp;</b>");
    assert_eq!(browser.count("tbody tr"), 2);
}

#[test]
fn the_skipped_items_are_downloaded_as_csv() {
    let world = World::after(&["run load_orders --to 20 --every 8"]);
    let Some(browser) = logged_in(&world) else { return };
    browser.open("/executions/1/skipped");
    browser.click("a[href$='.csv']");
    let file = world.path("downloads/load_orders-1-skipped.csv");
    let csv = browser.until("the file", || fs::read_to_string(&file).ok());
    assert_eq!(csv.lines().count(), 3, "{csv}");
    assert!(csv.contains("order 16 has no customer"), "{csv}");
}
