//! Exports: one statement, which sees one moment, and whose rows are read as they are taken.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use payout_core::ports::{Deleted, ExportQuery, ExportedRows, ListQuery, Position, RepositoryError};

use super::store::Store;
use super::{deleted, list};
use crate::storage::reads::TooMuch;
use crate::storage::sql::error::{is_interrupted, repository_error};
use crate::storage::sql::export::{Sender, Stopped, channel};
use crate::storage::sql::row::{listed, listed_with_deleted};
use crate::storage::sql::window::Page;

/// Interrupts the statement of an export when it is dropped.
#[derive(Default)]
struct Interrupt(Arc<AtomicBool>);

impl Drop for Interrupt {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

pub(super) async fn export(
    store: &Store,
    query: &ExportQuery,
) -> Result<Box<dyn ExportedRows>, RepositoryError> {
    let turn = store.gate.enter_export()?;
    store.check_file()?;
    let (sender, receiver) = channel();
    let (store, query) = (store.clone(), query.clone());
    tokio::spawn(async move {
        let _turn = turn;
        let limit = store.gate.export_timeout();
        match run(&store, &query, &sender).await {
            Ok(()) => sender.end(Ok(())).await,
            Err(Stopped::Dropped) => (),
            Err(Stopped::Failed(error)) if is_interrupted(&error) => {
                sender.end(Err(TooMuch::TooLong(limit).into())).await;
            }
            Err(Stopped::Failed(error)) => sender.end(Err(repository_error(error))).await,
        }
    });
    receiver.begun().await
}

async fn run(store: &Store, query: &ExportQuery, sender: &Sender) -> Result<(), Stopped> {
    let mut connection = store.costly.acquire().await.map_err(Stopped::Failed)?;
    // Dropped before the connection, which another read may then use.
    let interrupt = Interrupt::default();
    let (in_time, stopped) = (
        store.goes_on_for(store.gate.export_timeout()),
        interrupt.0.clone(),
    );
    store
        .bound(&mut connection, move || {
            !stopped.load(Ordering::Relaxed) && in_time()
        })
        .await
        .map_err(Stopped::Failed)?;
    let page = Page::of(&ListQuery {
        filter: query.filter.clone(),
        order: query.order,
        position: Position::Offset(0),
        limit: u32::MAX,
    });
    let keys = &store.keyring;
    let wrong = |error: RepositoryError| Stopped::Failed(sqlx::Error::Encode(Box::new(error)));
    if query.filter.deleted == Deleted::Without && !query.order.is_by_schedule() {
        let statement = list::page_statement(&page, &query.filter, keys).map_err(wrong)?;
        sender
            .send_all(statement.fetch(&mut *connection), |rows| listed(rows, keys))
            .await
    } else {
        let statement = deleted::page_statement(&page, &query.filter, query.order, keys).map_err(wrong)?;
        sender
            .send_all(statement.fetch(&mut *connection), |rows| {
                listed_with_deleted(rows, query.order, keys)
            })
            .await
    }
}
