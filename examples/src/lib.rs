//! Runnable examples; see the folder `examples` next to this one.
