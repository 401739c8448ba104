#![no_main]

#[allow(dead_code, reason = "each target uses one check")]
#[path = "../../../batch-runtime/tests/differential/checks.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| checks::json_array_in_an_encoding(bytes));
