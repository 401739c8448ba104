//! Fails a step that could not read any record of its input, and describes one that skipped everything.

use crate::definition::{Failure, Phase};
use crate::engine::step::StepRun;
use crate::repository::Counters;

/// Returns whether there were records but none of them could be read.
pub(crate) fn are_all(counters: &Counters) -> bool {
    counters.read == 0 && counters.read_skip > 0
}

/// Returns whether a step that could not read any record fails. It does not fail if it has `allow_all_skipped`; nor
/// in a replay, which reads only skipped records; nor in a partition, because the other partitions count too.
pub(crate) fn fails(run: &StepRun<'_>) -> bool {
    !run.info.options.allow_all_skipped && run.replayed.is_none() && run.scope.assigned().is_none()
}

/// Turns the failure of the first record into the failure of the whole input, of which `skipped` records were skipped.
pub(crate) fn failure(first: Failure, skipped: u64, ended: bool) -> Failure {
    let what = match (skipped, ended) {
        (1, true) => "it is the only record".to_owned(),
        (_, true) => format!("none of the {skipped} records could be read"),
        (_, false) => format!("none of the first {skipped} records could be read"),
    };
    first.fatal().with_note(format!(
        "{what}, and a step that cannot read any record of its input fails: fix the input or the reader and run it again, \
         or allow it with `allow_all_skipped`"
    ))
}

/// The failure of a step whose partitions are all complete but could not read any record.
pub(crate) fn of_partitions(skipped: u64) -> Failure {
    Failure::new(format!(
        "none of the {skipped} records of the input could be read, and a step that cannot read any record of its input \
         fails; `show --skipped` lists the errors: fix the input or the reader and start a new instance (`--next`), or \
         allow it with `allow_all_skipped`"
    ))
    .during(Phase::Read)
}

/// The exit description of a completed step: empty unless the step skipped all of its records.
pub(crate) fn description(all: &Counters, replays: bool) -> String {
    let skipped = all.skips();
    if skipped == 0 || all.write > 0 || all.filter > 0 {
        return String::new();
    }
    let records = if skipped == 1 { "the only record".to_owned() } else { format!("all {skipped} records") };
    let again = if replays { " again" } else { "" };
    let Counters { read_skip, process_skip, write_skip, .. } = all;
    let phases: Vec<String> =
        [(read_skip, "in reading"), (process_skip, "in processing"), (write_skip, "in writing")]
            .into_iter()
            .filter(|(count, _)| **count > 0)
            .map(
                |(count, phase)| {
                    if *count == skipped { phase.to_owned() } else { format!("{count} {phase}") }
                },
            )
            .collect();
    format!("skipped {records}{again}, {}; nothing was written", phases.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_skipped_everything_says_in_which_phase() {
        let counters = Counters { read: 2, read_skip: 1, process_skip: 2, ..Counters::default() };
        assert_eq!(
            description(&counters, false),
            "skipped all 3 records, 1 in reading, 2 in processing; nothing was written"
        );
        let counters = Counters { read_skip: 1, ..Counters::default() };
        assert_eq!(
            description(&counters, true),
            "skipped the only record again, in reading; nothing was written"
        );
    }

    #[test]
    fn a_step_that_wrote_or_filtered_anything_has_no_description() {
        for counters in [
            Counters { read: 1, write: 1, read_skip: 1, ..Counters::default() },
            Counters { read: 1, filter: 1, read_skip: 1, ..Counters::default() },
            Counters::default(),
        ] {
            assert_eq!(description(&counters, false), "");
        }
    }
}
