//! Fuzzes request bodies: each is read or refused as a problem document, and a body that is read makes the same payout
//! when it is sent again.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| payout_app::fuzzing::body(body));
