//! The buttons of a schedule.

use crate::browser::logged_in;
use crate::world::World;

#[test]
fn the_next_run_starts_at_once_after_a_question() {
    let world = World::after(&[]);
    let Some(browser) = logged_in(&world) else { return };
    browser.open("/schedule");
    browser.click("#trigger-count_orders:enabled");
    browser.say_yes();
    browser.wait_for(".lead", "completed");
    browser.open("/schedule");
    browser.wait_for(".next", "already COMPLETED");
    assert_eq!(browser.count("#trigger-count_orders:disabled"), 1);
}

#[test]
fn the_times_of_a_backfill_are_listed_while_its_days_are_chosen_and_then_run() {
    let world = World::after(&[]);
    let Some(browser) = logged_in(&world) else { return };
    browser.open("/schedule");
    browser.click("#backfill-count_orders");
    browser.execute(
        "document.getElementById('field-first').value = '2024-01-01'; \
         const last = document.getElementById('field-last'); last.value = '2024-01-14'; \
         last.dispatchEvent(new Event('input', { bubbles: true }))",
    );
    browser.wait_for("#outlook", "runs count_orders for 2 scheduled times");
    browser.click("button[value=start]");
    browser.wait_for_address("/executions?job=count_orders");
    browser.until("two runs", || {
        browser.open("/executions?job=count_orders&status=completed");
        (browser.count("tbody tr") == 2).then_some(())
    });
}
