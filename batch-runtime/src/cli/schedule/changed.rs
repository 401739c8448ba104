//! The notice that the schedule of a job has changed.

use crate::definition::JobInfo;
use crate::observe::words::line;

/// Says that the job has followed another schedule until now, that of another program or version.
pub(super) fn changed(job: &JobInfo, (expression, zone): &(String, String)) -> String {
    let (name, ours) = (job.name, job.options.schedule);
    let ours = ours.map(|ours| format!("`{}` ({})", ours.expression, ours.zone)).unwrap_or_default();
    format!(
        "{name} runs at {ours} from now on; until now it followed another schedule, `{}` ({})",
        line(expression, 100),
        line(zone, 100)
    )
}
