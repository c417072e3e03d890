//! The `payout` binary.

use std::process::ExitCode;

/// A request allocates some hundred times; the system's allocator takes a tenth of the processor for it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    payout_app::commands::main()
}
