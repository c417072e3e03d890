//! The `payout` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    payout_app::commands::main()
}
