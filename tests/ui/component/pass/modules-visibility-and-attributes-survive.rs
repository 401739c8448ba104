//! Modules, `use .. as`, visibility, `#[cfg]`, doc comments and attributes work as on any function.
#![deny(missing_docs, unused_must_use, dead_code, unused_imports)]

/// The parts of a library.
pub mod library {
    mod inside {
        use batch_runtime::prelude::*;

        struct Private(u32);

        #[reader]
        fn privates() -> impl Iterator<Item = Private> {
            [Private(1)].into_iter()
        }

        #[writer]
        fn keep(items: &[Private]) {
            assert_eq!(items.len(), items[0].0 as usize);
        }

        /// A public step made of private components.
        #[step(chunk = 10)]
        pub fn open_step() {
            privates | keep
        }
    }
    pub use inside::open_step;

    use batch_runtime::prelude::*;

    /// Numbers.
    #[reader]
    #[inline]
    #[must_use]
    pub fn numbers() -> impl Iterator<Item = u32> {
        hidden::few()
    }

    /// Twice.
    #[processor]
    pub(crate) fn twice(number: u32) -> u32 {
        number * 2
    }

    #[cfg(any())]
    #[processor]
    pub fn never(number: Missing) -> u32 {
        number
    }

    #[cfg(not(any()))]
    #[processor]
    /// Below the attribute.
    pub fn never(number: u32) -> u32 {
        number
    }

    /// Prints.
    #[allow(clippy::ptr_arg)]
    #[writer]
    pub(super) fn print(numbers: &[u32]) {
        assert_eq!(numbers, [0, 4, 8]);
    }

    mod hidden {
        use batch_runtime::prelude::*;

        #[reader]
        pub(in crate::library) fn few() -> impl Iterator<Item = u32> {
            0..3
        }

        #[allow(dead_code)]
        #[processor]
        fn private(number: u32) -> u32 {
            number
        }
    }
}

use batch_runtime::prelude::*;
use library::{numbers as all, print};

/// Loads.
#[step(chunk = 10)]
#[must_use]
pub fn load() {
    all | library::twice | library::never | crate::library::twice | print
}

fn main() {
    assert_eq!(load().doc, "Loads.");
    assert_eq!(load().name, "load");
    assert_eq!(library::open_step().name, "open_step");
    assert!(load().id.ends_with("::load"));
    assert_eq!(library::twice(library::never(2)), 4);
    // Inside a function as well.
    #[processor]
    fn inner(number: u32) -> u32 {
        number + 1
    }
    #[step(chunk = 10)]
    fn load_inner() {
        all | inner | print
    }
    assert_eq!(load_inner().components[1].name, "inner");
    assert_eq!(inner(1), 2);
}
