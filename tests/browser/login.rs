//! The login.

use serde_json::json;

use crate::browser::{Browser, logged_in};
use crate::world::World;

#[test]
fn the_printed_link_opens_the_page_and_the_token_leaves_the_address() {
    let world = World::after(&[]);
    let Some(browser) = logged_in(&world) else { return };
    assert_eq!(browser.text("h1"), "Jobs");
    assert_eq!(browser.address(), "/");
}

#[test]
fn the_form_takes_the_token_and_leads_to_the_page_that_was_asked_for() {
    let world = World::after(&[]);
    let Some(browser) = Browser::new(&world, &json!({})) else { return };
    browser.open("/executions?status=failed");
    browser.fill("input[type=password]", world.token());
    browser.click("button");
    browser.wait_for("h1", "Executions");
    assert_eq!(browser.address(), "/executions?status=failed");
}

#[test]
fn a_wrong_token_is_refused() {
    let world = World::after(&[]);
    let Some(browser) = Browser::new(&world, &json!({})) else { return };
    browser.open("/executions");
    browser.fill("input[type=password]", "0123456789abcdef0123456789abcdef");
    browser.click("button");
    browser.wait_for("[role=alert]", "That is not the token.");
    browser.open("/executions");
    assert_eq!(browser.count("table"), 0);
    assert_eq!(browser.count("input[type=password]"), 1);
}
