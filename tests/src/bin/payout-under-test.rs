//! The `payout` binary, built beside these tests so that they always start the code they were built with.

use std::process::ExitCode;
use std::time::Duration;

fn main() -> ExitCode {
    // A thread that panics, for the test of how the process handles a panic.
    if let Some(ms) = std::env::var("PANIC_AFTER_MS")
        .ok()
        .and_then(|ms| ms.parse().ok())
    {
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(ms));
            panic!("canary of a panic");
        });
    }
    payout_app::commands::main()
}
