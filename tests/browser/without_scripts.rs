//! The main path in a browser that runs no scripts.

use serde_json::json;

use crate::browser::Browser;
use crate::world::World;

#[test]
fn a_job_is_started_stopped_and_restarted_and_its_skips_are_read_without_scripts() {
    let world = World::after(&[]);
    let off = json!({ "profile.managed_default_content_settings.javascript": 2 });
    let Some(browser) = Browser::new(&world, &off) else { return };
    browser.goto("data:text/html,<noscript><p>It runs no scripts.</p></noscript>");
    assert_eq!(browser.count("p"), 1, "it runs scripts");
    browser.open("/");
    browser.fill("input[type=password]", world.token());
    browser.click("button");
    browser.wait_for("h1", "Jobs");

    browser.click("a[href='/jobs/load_orders/start']");
    browser.fill("#field-to", "100000");
    browser.fill("#field-every", "many");
    browser.fill("#field-pause", "5");
    browser.click("button[value=start]");
    browser.wait_for("#field-every[aria-invalid] ~ .wrong", "a whole number");
    browser.fill("#field-every", "200");
    browser.click("button[value=start]");
    browser.wait_for(".lead", "running");

    browser.until("a skipped item", || {
        browser.open("/executions/1/skipped");
        (browser.count("tbody") > 0).then_some(())
    });
    assert!(browser.text("tbody").contains("order 200 has no customer"));

    browser.click("a[href='/executions/1']");
    stop(&browser);
    browser.until("the end", || {
        browser.open("/executions/1");
        browser.text(".lead").contains("stopped").then_some(())
    });
    browser.click("#button-restart");
    browser.wait_for_address("/executions/2");
    stop(&browser);

    browser.open("/executions");
    browser.click("input[value=stopped]");
    browser.click("form.filter button");
    browser.wait_for("form.filter", "Clear");
    assert!(browser.address().contains("status=stopped"));
}

/// Asks the shown execution to stop, and waits for the page that answers.
fn stop(browser: &Browser) {
    browser.click("#button-stop");
    // The lead is "stopping", or already "stopped".
    browser.wait_for(".lead", "stop");
}
