//! A report in Sentry's format.

use sentry_types::protocol::v7::{Envelope, Event, Level};

use super::Report;

/// Builds an envelope with one event, which contains only the fields named here.
pub(super) fn envelope(report: &Report, process: &str) -> Option<Vec<u8>> {
    let tags = report.tags.iter();
    let event = Event {
        level: Level::Error,
        message: Some(report.message.clone()),
        logger: Some(report.module.clone()),
        release: Some(concat!("payout@", env!("CARGO_PKG_VERSION")).into()),
        server_name: Some(process.to_owned().into()),
        tags: tags
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect(),
        ..Event::default()
    };
    let mut body = Vec::with_capacity(1024);
    Envelope::from(event).to_writer(&mut body).ok()?;
    Some(body)
}
