//! Tells visitors apart by the names of their types, and notes when serde buffers a text that may become a date or a time.
//! serde buffers the values of flattened structs and of enums with a tag or without one, and deserializes them later,
//! without the wrapper.

use std::any::type_name;
use std::cell::Cell;

use serde::de::Visitor;

use crate::readers::civil;

thread_local! {
    static TOOK: Cell<bool> = const { Cell::new(false) };
}

/// Notes the text if the visitor buffers it, and a date or a time would keep only a part of it.
#[inline]
pub(super) fn note<'de, V: Visitor<'de>>(text: &str) {
    if is_buffer::<V>() && civil::may_lose_a_part(text) {
        TOOK.set(true);
    }
}

/// True if such a text was buffered on this thread since the last call.
#[inline]
pub(in crate::readers) fn took_a_civil_text() -> bool {
    TOOK.get() && TOOK.replace(false)
}

/// True if the visitor buffers a value.
#[inline]
pub(super) fn is_buffer<'de, V: Visitor<'de>>() -> bool {
    let name = type_name::<V>();
    let name = name.strip_suffix("<'_>").unwrap_or(name);
    name.ends_with("ContentVisitor") && name.starts_with("serde")
}

/// True if the visitor makes a map that keeps one value for each key, or a struct with a flattened field. Visitors of other
/// crates, which may keep every value, are not known.
#[inline]
pub(super) fn keeps_one_value<'de, V: Visitor<'de>>() -> bool {
    let name = type_name::<V>();
    let of_crate = name.trim_start_matches(['<', '&']);
    ["serde_core::de::impls::", "serde::de::impls::", "serde_json::"]
        .iter()
        .any(|of| of_crate.starts_with(of))
        || name.contains("::deserialize::__Visitor")
}
