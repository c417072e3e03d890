//! Runs a provider's stand-in and makes calls with its adapter, as a judge asks for it on the standard input.
//!
//! It prints the stand-in's address, reads the address of the judge's proxy in front of it, makes all calls, prints
//! notifications of the stand-in, and then reads notifications: one JSON document a line each.
#![expect(clippy::print_stdout, reason = "it talks to the judge's script")]
#![expect(clippy::unwrap_used, reason = "a judge fails by panicking")]

use clap::Parser;
use payout_conformance::calls::{Calls, Pushed};
use payout_conformance::providers::{self, Provider};
use serde_json::{Value, json};

/// Makes the calls of a provider's adapter that judges watch.
#[derive(Parser)]
struct Arguments {
    /// The provider.
    #[arg(value_enum)]
    provider: Provider,
}

#[tokio::main]
async fn main() {
    let running = providers::start_all(Arguments::parse().provider).await;
    let mut print = |line: Value| println!("{line}");
    print(json!({
        "address": running.address(), "signing_secret": running.subject.signing_secret(),
        "live_url": running.subject.live_url(),
    }));
    // The stand-in and the calls have threads of their own.
    let mut lines = std::io::stdin().lines();
    let address = lines.next().unwrap().unwrap();
    let mut calls = Calls::new(&running, address.trim(), &mut print);
    calls.make().await;
    calls.notifications();
    calls.done();
    for line in lines {
        let pushed: Pushed = serde_json::from_str(&line.unwrap()).unwrap();
        calls.read(pushed).await;
    }
}
