//! The form that starts a job.

use crate::browser::logged_in;
use crate::world::World;

#[test]
fn fields_are_of_the_types_of_the_parameters_and_hold_their_defaults() {
    let world = World::after(&[]);
    let Some(browser) = logged_in(&world) else { return };
    browser.open("/jobs/send_orders/start");
    assert_eq!(browser.property("#field-day", "type"), "date");
    assert_eq!(browser.property("#field-key", "type"), "password");
    assert_eq!(browser.property("#field-trial", "tagName"), "SELECT");
    assert_eq!(browser.property("#field-trial", "value"), "false");
    browser.open("/jobs/load_orders/start");
    assert_eq!(browser.property("#field-to", "value"), "100");
}

#[test]
fn a_bad_value_is_reported_at_its_field_and_the_others_stay() {
    let world = World::after(&[]);
    let Some(browser) = logged_in(&world) else { return };
    browser.open("/jobs/load_orders/start");
    browser.fill("#field-to", "many");
    browser.fill("#field-pause", "7");
    browser.click("button[value=start]");
    browser.wait_for("#field-to[aria-invalid] ~ .wrong", "a whole number");
    assert_eq!(browser.property("#field-to", "value"), "many");
    assert_eq!(browser.property("#field-pause", "value"), "7");
    assert_eq!(browser.count(".wrong"), 1);

    browser.fill("#field-to", "30");
    browser.click("button[value=start]");
    browser.wait_for("main", "completed");
    assert!(browser.text("main").contains("30"));
}

#[test]
fn a_form_with_a_secret_says_what_it_would_do_and_starts_the_job() {
    let world = World::after(&[]);
    let Some(browser) = logged_in(&world) else { return };
    browser.open("/jobs/send_orders/start");
    browser.execute("document.getElementById('field-day').value = '2026-11-27'");
    browser.fill("#field-key", "sesame-open");
    browser.wait_for("#outlook", "begins a new instance");
    browser.click("button[value=start]");
    browser.wait_for(".lead", "completed");
    assert!(!browser.text("main").contains("sesame"));
}

#[test]
fn the_form_says_that_a_launch_would_be_refused_while_it_is_filled_in() {
    let world = World::after(&["run load_orders --to 12"]);
    let Some(browser) = logged_in(&world) else { return };
    browser.open("/jobs/load_orders/start");
    browser.wait_for("#outlook", "already COMPLETED");
    browser.fill("#field-to", "13");
    browser.wait_for("#outlook", "begins a new instance");
}
