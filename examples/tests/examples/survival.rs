//! Stops the jobs of three examples dead at each of their commits: rows, the state of a processor, files, partitions on threads.

use batch_runtime::testing::{Sandbox, survives};

use crate::flights::read;
use crate::program::data;

#[expect(dead_code, reason = "an example is a program, and this takes its job alone")]
#[path = "../../examples/state.rs"]
mod state;

#[expect(dead_code, reason = "an example is a program, and this takes its jobs alone")]
#[path = "../../examples/partitioned_files.rs"]
mod partitioned_files;

#[expect(dead_code, reason = "an example is a program, and this takes its job alone")]
#[path = "../../examples/weekly_top_user.rs"]
mod weekly_top_user;

fn rows(sandbox: &Sandbox, query: &str) -> Vec<String> {
    sandbox.rows(query).unwrap()
}

#[test]
fn a_state_survives() {
    let deliveries: Vec<String> =
        read(&data("deliveries.csv")).lines().take(101).map(str::to_owned).collect();
    survives(
        |sandbox| state::state(sandbox.file("in.csv", deliveries.join("\n")).unwrap()),
        |sandbox| rows(sandbox, "SELECT device, sequence, decidegrees FROM message ORDER BY rowid"),
    );
}

#[test]
fn files_and_partitions_survive() {
    survives(
        |sandbox| partitioned_files::before_and_after(sandbox.path("payments"), 2, 40),
        |sandbox| {
            ["total_one_by_one", "total_by_files", "total_of_month"]
                .map(|table| rows(sandbox, &format!("SELECT * FROM {table} ORDER BY 1")))
        },
    );
}

#[test]
fn many_steps_over_one_table_survive() {
    survives(
        |_| weekly_top_user::weekly_top_user("2024-01-08".parse().unwrap(), 60),
        |sandbox| rows(sandbox, "SELECT * FROM by_batch ORDER BY rowid"),
    );
}
