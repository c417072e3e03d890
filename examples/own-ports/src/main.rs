//! The payout service with this program's own payment provider, queue and repository.

use std::sync::Arc;

use own_ports::{Bank, Line, Shelf};
use payout_app::{AppError, Config, Service};

#[tokio::main]
async fn main() -> Result<(), AppError> {
    let service = Service::new(Config::default())
        .processor(Arc::new(Bank::default()))
        .queue(Arc::new(Line::default()))
        .repository(Arc::new(Shelf::default()));
    let running = service.start().await?;
    println!(
        "open http://{}/api/docs/",
        running.local_addr().expect("it serves")
    );
    running.run_until(tokio::signal::ctrl_c()).await
}
