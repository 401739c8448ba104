use batch_runtime::prelude::*;

enum Quality {
    Good,
    Bad,
}

#[decider]
fn quality() -> Quality {
    let _ = Quality::Bad;
    Quality::Good
}

#[step]
fn load(input: PathBuf) {
    let _ = input;
}

#[step]
fn report(region: String, copies: u8) {
    let _ = (region, copies);
}

#[step]
fn archive(year: u16) {
    let _ = year;
}

#[job(exclsive)]
fn first(#[param(secert)] token: String, region: String, mut day: u32, name: &str, year: u32) {
    load;
    load;
    report(copies = 1000);
    report(copy = 3) as report;
    report(region = aera, copies = 3) as Report;
    archive;
    quality;
    let total = 3;
    split! { load; archive }
    archive();
    if true {}
    match quality {
        Quality::Good => {}
        Bad => {}
    }
    loop {
        report(copies = 1) as repeated;
    }
    break;
    fail!();
}

fn main() {}
