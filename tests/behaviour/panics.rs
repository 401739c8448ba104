//! A panic in user code is a failure of that component.

use batch_runtime::prelude::*;

use crate::support::World;

#[reader]
fn items(at: String) -> impl Iterator<Item = u32> {
    (0..5).inspect(move |item| assert!(!(at == "reader" && *item == 3), "the reader is broken"))
}

#[processor]
fn pass(item: u32, at: &str) -> u32 {
    assert!(!(at == "processor" && item == 3), "the processor is broken");
    item
}

#[writer]
fn drop_all(items: &[u32], at: &str) {
    assert!(!(at == "writer" && items.contains(&3)), "the writer is broken");
}

#[step(chunk = 2)]
fn move_items() {
    items | pass | drop_all
}

#[step]
fn wrap_up(at: &str) {
    assert!(at != "tasklet", "the tasklet is broken");
}

#[decider]
fn sure(at: &str) -> bool {
    assert!(at != "decider", "the decider is broken");
    false
}

#[job]
fn fragile(at: String) {
    move_items;
    wrap_up;
    while sure {
        wrap_up as again;
    }
}

#[test]
fn a_panic_anywhere_fails_the_job_with_its_component_message_and_place() {
    let world = World::new();
    for (at, component) in [
        ("reader", "`items`"),
        ("processor", "`pass`"),
        ("writer", "`drop_all`"),
        ("tasklet", "`wrap_up`"),
        ("decider", "`sure`"),
    ] {
        let report = world.fails(&fragile(at.to_owned()));
        let text = &report.exit.description;
        assert!(text.contains(component), "{at}: {text}");
        assert!(text.contains(&format!("the {at} is broken")), "{at}: {text}");
        assert!(text.contains("panics.rs:"), "{at}: {text}");
    }
    world.completes(&fragile("nowhere".to_owned()));
}
