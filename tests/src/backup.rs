//! A backup of a test's database while it is in use, and another database restored from it, both made with an
//! operator's commands.

use std::path::PathBuf;

use tokio::process::Command;

use crate::app::Launch;
use crate::store::{Backend, Store};

/// A copy of a database at one moment.
pub struct Backup {
    backend: Backend,
    file: PathBuf,
}

impl Backup {
    /// Makes a backup by `payout backup` or by `pg_dump`.
    pub async fn of(launch: &Launch, name: &str) -> Self {
        let store = launch.store();
        let file = store.folder().join(name);
        match store.backend() {
            Backend::Sqlite => {
                let mut process = launch.finish(&["backup", file.to_str().unwrap()]).await;
                assert!(process.ended().unwrap().success(), "{}", process.log());
            }
            Backend::Postgres => {
                run(
                    "pg_dump",
                    &["--format=custom", "--file", file.to_str().unwrap(), store.url()],
                )
                .await;
            }
        }
        Self {
            backend: store.backend(),
            file,
        }
    }

    /// Restores the copy into a new database.
    pub async fn restore(&self) -> Store {
        let store = Store::new(self.backend).await;
        match self.backend {
            Backend::Sqlite => {
                std::fs::copy(&self.file, store.folder().join("payouts.db")).unwrap();
            }
            Backend::Postgres => {
                let file = self.file.to_str().unwrap();
                run(
                    "pg_restore",
                    &["--exit-on-error", "--no-owner", "--dbname", store.url(), file],
                )
                .await;
            }
        }
        store
    }
}

/// Runs one of PostgreSQL's programs, which Debian keeps out of the PATH.
async fn run(program: &str, args: &[&str]) {
    let installed = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let newest = installed
        .filter_map(|entry| Some(entry.ok()?.path().join("bin").join(program)))
        .filter(|path| path.is_file())
        .max();
    let path = newest.unwrap_or_else(|| PathBuf::from(program));
    let output = Command::new(path)
        .args(args)
        .output()
        .await
        .expect("PostgreSQL's programs are installed");
    assert!(
        output.status.success(),
        "{program} ended with {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
}
