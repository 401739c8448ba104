//! The list of executions.

use crate::browser::logged_in;
use crate::world::World;

#[test]
fn a_filter_narrows_the_list_and_is_in_the_address() {
    let world =
        World::after(&["run load_orders --to 10", "run load_orders --to 20", "run report_orders --to 5"]);
    let Some(browser) = logged_in(&world) else { return };
    browser.open("/executions");
    assert_eq!(browser.count("tbody tr"), 3);

    browser.click("input[value=completed]");
    browser.fill("input[name=parameter]", "to=20");
    browser.click("form.filter button");
    browser.wait_for("form.filter", "Clear");
    assert_eq!(browser.count("tbody tr"), 1);
    assert!(browser.text("tbody").contains("to=20"));

    let address = browser.address();
    assert!(address.contains("status=completed") && address.contains("parameter=to%3D20"), "{address}");
    browser.open(&address);
    assert_eq!(browser.count("tbody tr"), 1, "the address alone shows the same");
    assert_eq!(browser.property("input[name=parameter]", "value"), "to=20");
    assert_eq!(browser.property("input[value=completed]", "checked"), "true");
}
