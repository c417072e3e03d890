//! The commands for providers.

use clap::Subcommand;
use payout_core::provider::ProviderName;

/// A command for the providers of the file.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum ProvidersCommand {
    /// List the providers, and which are paused
    List,
    /// Pause a provider: no worker calls it until it is resumed; workers know of it within about a second
    Pause {
        /// Its name
        name: ProviderName,
        /// The reason, which the list shows
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Resume a paused provider; workers know of it within about a second
    Resume {
        /// Its name
        name: ProviderName,
    },
    /// Read the file of providers, and look a key up at each provider that was never sent; exit 0 when nothing is wrong
    Check,
}
