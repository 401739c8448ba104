//! Schedules with all of their options.

use batch_runtime::prelude::*;

#[step]
fn load(monday: Date) {
    let _ = monday;
}

#[step]
fn count(time: DateTime, region: Option<String>) {
    let _ = (time, region);
}

#[step]
fn tick() {}

#[job(schedule("0 3 * * MON", zone = "Asia/Seoul", missed = latest, overlap = wait, restarts = 2))]
fn weekly(
    /// The Monday
    #[param(scheduled)]
    monday: Date,
) {
    load;
}

#[job(schedule("*/15 * * * *", missed = all(within = "7d"), overlap = skip))]
fn often(#[param(scheduled)] time: DateTime, region: Option<String>) {
    count;
}

#[job(schedule("0 2,14 * * *", zone = "Europe/Berlin"))]
fn twice_a_day(#[param(scheduled)] time: DateTime, region: Option<String>) {
    count;
}

#[job(schedule("@hourly", zone = "Europe/Berlin", missed = none, overlap = allow))]
fn hourly() {
    tick;
}

fn main() {}
