//! Receives: Ctrl-C and SIGTERM. Gives: a stop at the next chunk boundary, and at the second one the end of the
//! process at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::definition::StopSignal;

/// Listens from now on.
pub(super) fn stop_signal() -> io::Result<StopSignal> {
    let stop = Arc::new(AtomicBool::new(false));
    // A flag of its own: a stop that the repository asked for must not make the first Ctrl-C deadly.
    let seen = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order, as actions run in that of their registration: the first signal finds the flag unset.
        flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&seen))?;
        flag::register(signal, Arc::clone(&seen))?;
        flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(StopSignal::from_flag(stop))
}
