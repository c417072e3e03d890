//! The `payout` binary.

use std::process::ExitCode;

/// A request makes some hundreds of allocations; with the system's allocator they take a tenth of its processor time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    payout_app::commands::main()
}
