use batch_runtime::prelude::*;

#[step]
fn count() -> u32 {
    3
}

#[step]
fn show(rows: &Output<count>) {
    let _ = rows;
}

#[step]
fn perhaps(rows: Option<&Output<count>>) {
    let _ = rows;
}

#[flow]
fn shown() {
    perhaps as shown_in_a_flow;
}

#[job]
fn etl() {
    split! { count, { show; perhaps }, shown }
    show as show_behind;
}

fn main() {}
