//! A database file that is deleted, moved or replaced while it is open, and the permissions of the files.

use std::os::unix::fs::PermissionsExt;

use payout_core::contract::build::{self, LONG_LEASE};
use payout_core::contract::drive;
use payout_core::ports::{PayoutRepository, RepositoryError};

use crate::file::File;

async fn refuses_everything(repository: &impl PayoutRepository) {
    let claim = build::sweep(1, LONG_LEASE);
    let refused = [
        repository.insert(&[build::new_payout()]).await.map(drop),
        repository.claim(&claim).await.map(drop),
        repository.probe().await,
        repository.find(build::fresh_id()).await.map(drop),
    ];
    for refused in refused {
        let Err(RepositoryError::Unavailable(error)) = refused else {
            panic!("{refused:?}");
        };
        assert!(
            error.to_string().contains("was deleted, moved or replaced"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn nothing_is_written_to_a_file_that_was_deleted_or_replaced() {
    let (repository, file) = File::migrated().await;
    drive::store(&repository, build::new_payout()).await;
    let (path, aside) = (file.path("payouts.db"), file.path("aside.db"));
    std::fs::rename(&path, &aside).unwrap();
    refuses_everything(&repository).await;
    assert!(!path.exists(), "it makes no other");
    let (_, other) = File::migrated().await;
    std::fs::copy(other.path("payouts.db"), &path).unwrap();
    refuses_everything(&repository).await;
    // The original file is back, and the repository continues.
    std::fs::rename(&aside, &path).unwrap();
    drive::store(&repository, build::new_payout()).await;
    repository.probe().await.unwrap();
    std::fs::write(&path, "").unwrap();
    refuses_everything(&repository).await;
}

#[tokio::test]
async fn what_is_in_a_log_that_was_deleted_is_saved_by_the_probe() {
    for name in ["payouts.db-wal", "payouts.db-shm"] {
        let (repository, file) = File::migrated().await;
        let payout = drive::store(&repository, build::new_payout()).await;
        std::fs::remove_file(file.path(name)).unwrap();
        refuses_everything(&repository).await;
        repository.probe().await.unwrap_err();
        // As another process sees the file after a crash of this one, which closes nothing.
        let after = std::env::temp_dir().join(format!("{}.db", build::fresh_id()));
        std::fs::copy(file.path("payouts.db"), &after).unwrap();
        let url = format!("sqlite://{}", after.display());
        let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
        let ids: Vec<(Vec<u8>,)> = sqlx::query_as("SELECT id FROM payouts")
            .fetch_all(&pool)
            .await
            .unwrap();
        assert_eq!(ids, [(payout.id().as_uuid().as_bytes().to_vec(),)], "{name}");
        pool.close().await;
        std::fs::remove_file(after).unwrap();
    }
}

#[tokio::test]
async fn nobody_else_may_read_the_files_also_where_they_were_there() {
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let (repository, file) = File::migrated().await;
    drive::store(&repository, build::new_payout()).await;
    let names = ["payouts.db", "payouts.db-wal", "payouts.db-shm"];
    for name in names {
        let path = file.path(name);
        assert_eq!(mode(&path), 0o600, "{name}");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
    }
    let later = file.repository();
    drive::store(&later, build::new_payout()).await;
    for name in names {
        assert_eq!(mode(&file.path(name)), 0o600, "{name}");
    }
}
