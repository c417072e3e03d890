//! Runs a stand-in for a payment provider until it is interrupted.
#![expect(clippy::print_stdout, reason = "it talks to a terminal")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, ValueEnum};
use payout_stand_ins::faults::FaultProfile;
use payout_stand_ins::{StandIn, StandInSettings, Vendor, adyen, paypal, stripe};
use tokio::signal::unix::{SignalKind, signal};

/// Stands in for a payment provider, on loopback.
#[derive(Parser)]
#[command(args_override_self = true)]
struct Arguments {
    /// The provider.
    #[arg(long, value_enum)]
    provider: Provider,
    /// The port; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// The ledger's file, which is continued if it exists. Without it, the ledger is kept in memory.
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
    /// The seed of all faults.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The faults: off, drill, or a profile as JSON.
    #[arg(long, default_value = "off", value_parser = profile)]
    faults: FaultProfile,
    /// The URL to which notifications are pushed.
    #[arg(long, value_name = "URL")]
    notify: Option<String>,
    /// A folder that receives a file of providers with this stand-in, and its secrets.
    #[arg(long, value_name = "FOLDER")]
    setup: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Provider {
    Adyen,
    Paypal,
    Stripe,
}

fn profile(text: &str) -> Result<FaultProfile, String> {
    let named = FaultProfile::named(text);
    named.map_or_else(
        || {
            serde_json::from_str(text)
                .map_err(|error| format!("use off, drill, or a profile as JSON: {error}"))
        },
        Ok,
    )
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let vendor: Arc<dyn Vendor> = match arguments.provider {
        Provider::Adyen => Arc::new(adyen::Adyen::default()),
        Provider::Paypal => Arc::new(paypal::PayPal::default()),
        Provider::Stripe => Arc::new(stripe::Stripe::default()),
    };
    let settings = StandInSettings {
        port: arguments.port,
        ledger: arguments.ledger,
        seed: arguments.seed,
        faults: arguments.faults,
        notify: arguments.notify,
    };
    let name = vendor.name();
    let stand_in = match StandIn::start_boxed(vendor.clone(), settings).await {
        Ok(stand_in) => stand_in,
        Err(error) => {
            println!("payout-stand-in: {error}");
            return ExitCode::FAILURE;
        }
    };
    println!("{name} stands in at {}", stand_in.url());
    if let Some(folder) = arguments.setup {
        match vendor.setup(&stand_in.url()).write(name, &folder) {
            Ok(file) => println!(
                "start the service with it: make run ARGS='--providers-file {}'",
                file.display()
            ),
            Err(error) => {
                println!("payout-stand-in: cannot write to {}: {error}", folder.display());
                return ExitCode::FAILURE;
            }
        }
    }
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => tokio::select! {
            _ = tokio::signal::ctrl_c() => (),
            _ = terminate.recv() => (),
        },
        Err(error) => {
            println!("payout-stand-in: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
