//! Fuzzes cursors: a cursor reads back in its own list, and any other text that reads as a cursor is one that this
//! service would write.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: (i64, u128, bool, &str)| {
    let (micros, id, after, text) = data;
    payout_app::fuzzing::cursor(micros, id, after, text);
});
