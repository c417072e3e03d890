//! Exports: one statement in a transaction of its own, whose rows are read as they are taken.
//!
//! The statement sees one moment, and the server works on it no faster than the client reads. Its connection and its
//! time limit are an export's own.

use std::time::Duration;

use super::link::{InUse, Link};
use super::{deleted, list};
use crate::storage::reads::TooMuch;
use crate::storage::sql::error::{breaks_connection, is_canceled, is_deadline, repository_error};
use crate::storage::sql::export::{Sender, Stopped, channel};
use crate::storage::sql::row::{listed, listed_with_deleted};
use crate::storage::sql::window::Page;
use payout_core::ports::{Deleted, ExportQuery, ExportedRows, ListQuery, Position, RepositoryError};

/// Extra time for the server's own limit to end the statement.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) async fn export(
    link: &Link,
    query: &ExportQuery,
) -> Result<Box<dyn ExportedRows>, RepositoryError> {
    let turn = link.gate.enter_export()?;
    let (sender, receiver) = channel();
    let (link, query) = (link.clone(), query.clone());
    tokio::spawn(async move {
        let _turn = turn;
        let limit = link.gate.export_timeout();
        let work = tokio::time::timeout(limit + PATIENCE, run(&link, &query, &sender)).await;
        match work {
            Ok(Ok(())) => sender.end(Ok(())).await,
            Ok(Err(Stopped::Dropped)) => (),
            Ok(Err(Stopped::Failed(error))) if is_canceled(&error) => {
                sender.end(Err(TooMuch::TooLong(limit).into())).await;
            }
            Ok(Err(Stopped::Failed(error))) => sender.end(Err(repository_error(error))).await,
            Err(_) => sender.end(Err(TooMuch::TooLong(limit).into())).await,
        }
    });
    receiver.begun().await
}

async fn run(link: &Link, query: &ExportQuery, sender: &Sender) -> Result<(), Stopped> {
    let mut in_use = match begin(link).await {
        Err(error) if breaks_connection(&error) && !is_deadline(&error) => begin(link).await,
        begun => begun,
    }
    .map_err(Stopped::Failed)?;
    send_rows(link, query, &mut in_use, sender).await?;
    // Whatever becomes of the end, every row was read.
    if end(link, &mut in_use).await.is_ok() {
        in_use.give_back();
    }
    Ok(())
}

/// Begins the transaction, whose statements may take as long as an export.
async fn begin(link: &Link) -> Result<InUse, sqlx::Error> {
    let mut in_use = link.take_from(&link.costly).await?;
    link.begin_long_read(&mut in_use, link.gate.export_timeout())
        .await?;
    Ok(in_use)
}

async fn end(link: &Link, in_use: &mut InUse) -> Result<(), sqlx::Error> {
    let commit = sqlx::query_as::<_, ()>("COMMIT");
    link.run_on(in_use, commit).await.map(drop)
}

async fn send_rows(
    link: &Link,
    query: &ExportQuery,
    in_use: &mut InUse,
    sender: &Sender,
) -> Result<(), Stopped> {
    if list::finds_nothing(&query.filter) {
        return Ok(());
    }
    let page = Page::of(&ListQuery {
        filter: query.filter.clone(),
        order: query.order,
        position: Position::Offset(0),
        limit: u32::MAX,
    });
    let connection = in_use
        .connection()
        .ok_or(Stopped::Failed(sqlx::Error::PoolClosed))?;
    let keys = &link.keyring;
    if query.filter.deleted == Deleted::Without && !query.order.is_by_schedule() {
        let statement = link.of_the_pooler(list::page_statement(&page, &query.filter, keys));
        sender
            .send_all(statement.fetch(connection), |rows| listed(rows, keys))
            .await
    } else {
        let statement = deleted::page_statement(&page, &query.filter, query.order, keys);
        let statement = link.of_the_pooler(statement);
        sender
            .send_all(statement.fetch(connection), |rows| {
                listed_with_deleted(rows, query.order, keys)
            })
            .await
    }
}
