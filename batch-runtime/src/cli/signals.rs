//! Ctrl-C and SIGTERM: the first signal stops the job at the next chunk boundary, the second ends the process
//! at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::definition::StopSignal;

/// Starts to listen for signals.
pub(super) fn stop_signal() -> io::Result<StopSignal> {
    let stop = Arc::new(AtomicBool::new(false));
    // A separate flag: a stop requested through the repository must not make the first Ctrl-C fatal.
    let seen = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // Actions run in the order of their registration, so the first signal finds the flag unset.
        flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&seen))?;
        flag::register(signal, Arc::clone(&seen))?;
        flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(StopSignal::from_flag(stop))
}
