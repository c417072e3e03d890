//! Fuzzes batch files: each is read or refused, and one that is read has the same rows every time.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| payout_app::fuzzing::batch_file(bytes));
