//! Branches of every kind.

use batch_runtime::prelude::*;

#[step]
fn a() {}
#[step]
fn b() -> u32 {
    3
}
#[step]
fn c(region: &str) {
    let _ = region;
}
#[step]
fn d(from_b: &Output<b>) {
    let _ = from_b;
}
#[decider]
fn more() -> bool {
    false
}

#[flow]
fn side_by_side() {
    split! { a, b }
}

#[job]
fn other() {
    a;
}

#[job]
fn etl(region: String) {
    split! {
        max = 4;
        side_by_side,
        { c; c(region = "eu") as c_eu; },
        c(region = region) as c_again,
        other,
        match a as routed {
            Completed => {}
            Failed => fail!("why"),
        },
        while more {
            a as paged;
        },
        loop {
            match more {
                true => {}
                false => break,
            }
        },
        split! {
            a as inner_a,
            #[cfg(any())]
            a as never,
            { split!(a as innermost_a, a as innermost_b); },
        },
    }
    d;
    split![a as in_brackets, { stop!("look") }];
    match more {
        true => split! { a as in_arm, a as beside_it },
        false => {}
    }
}

fn main() {
    let _ = etl("nz".to_owned());
}
