//! Receives: this workspace. Gives: how long cargo takes to build jobs with it.

use crate::report::Row;
use crate::{Outcome, Plan};

pub(crate) fn all(_plan: &Plan) -> Outcome<Vec<Row>> {
    Ok(Vec::new())
}
