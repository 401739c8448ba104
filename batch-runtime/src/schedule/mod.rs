//! Runs jobs at the times that their schedules name.
//!
//! A scheduled time is an instance: its run has the time among its identifying parameters, so the launch transaction
//! and the unique index of instances let no time run twice, however many processes try. There is no leader and no
//! lock: two hosts, a cron job and a daemon may all run the jobs that are due on one repository.
//!
//! [`JobOperator::due`](crate::operator::JobOperator::due) says what is due, and
//! [`start_fire`](crate::operator::JobOperator::start_fire) runs it. The command line does the same with
//! `run JOB --due` and `schedule`. [The guide](crate::guide::scheduling) explains all of it.

pub(crate) mod daemon;
mod due;
mod error;
pub(crate) mod export;
mod job;
mod overdue;
mod run;
mod times;

pub use due::{Held, OpenFire, Plan, due};
pub use error::ScheduleError;
pub use job::{Fire, ScheduledJob};
pub(crate) use overdue::due_since;
pub use run::Due;
pub(crate) use run::waiting_for_a_person;
pub use times::{ScheduledTime, Times};
