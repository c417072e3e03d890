//! The `payout` binary, built beside these tests so that they always start the code that they were built with.

use std::process::ExitCode;

fn main() -> ExitCode {
    payout_app::commands::main()
}
