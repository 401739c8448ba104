use batch_runtime::prelude::*;

struct Total(u32);

#[step]
fn count() -> Total {
    Total(3)
}

#[step]
fn report(total: &Output<count>) {
    println!("{}", total.0);
}

fn main() {}
