use batch_runtime::prelude::*;

#[step]
fn clean_up() {}

#[processor]
fn late(delay: u32, most: &Output<clean_up>) -> Option<u32> {
    let most: u32 = **most;
    (delay > most).then_some(delay)
}

#[step]
fn report(total: Option<&Output<clean_up>>) {
    if let Some(total) = total {
        println!("{} of {}", total.late, total.all());
    }
}

fn main() {}
