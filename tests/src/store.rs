//! A test's own database, and a folder.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, PgConnection, Row, SqliteConnection};

/// The kind of database that a service stores its payouts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// A SQLite file, and the in-process queue.
    Sqlite,
    /// PostgreSQL, and Redis for the queue.
    Postgres,
}

impl Backend {
    /// Both backends.
    pub const ALL: [Self; 2] = [Self::Sqlite, Self::Postgres];
}

/// A database, empty at first and deleted when this is dropped.
pub struct Store {
    backend: Backend,
    folder: Folder,
    database_url: String,
    redis_url: Option<String>,
    /// The server that has the database, and the database's name, when it must be dropped.
    drop_from: Option<(String, String)>,
}

impl Store {
    /// Makes a new, empty database.
    pub async fn new(backend: Backend) -> Self {
        let folder = Folder::new();
        match backend {
            Backend::Sqlite => {
                let database_url = format!("sqlite://{}", folder.path().join("payouts.db").display());
                Self {
                    backend,
                    folder,
                    database_url,
                    redis_url: None,
                    drop_from: None,
                }
            }
            Backend::Postgres => {
                let server = setting("TEST_DATABASE_URL", "postgres://postgres@127.0.0.1:5432/postgres");
                let name = folder.name().replace('-', "_");
                execute_on(&server, format!("CREATE DATABASE {name}")).await;
                let database_url = on_server(&server, &name);
                let redis_url = Some(setting("TEST_REDIS_URL", "redis://127.0.0.1:6379/"));
                Self {
                    backend,
                    folder,
                    database_url,
                    redis_url,
                    drop_from: Some((server, name)),
                }
            }
        }
    }

    /// Wraps a database on the test's own servers, which the test deletes itself.
    pub fn on(database_url: String, redis_url: Option<String>) -> Self {
        let (backend, folder) = (Backend::Postgres, Folder::new());
        Self {
            backend,
            folder,
            database_url,
            redis_url,
            drop_from: None,
        }
    }

    /// Returns a store of this database with another Redis.
    #[must_use]
    pub fn with_redis(mut self, url: String) -> Self {
        self.redis_url = Some(url);
        self
    }

    /// Returns the kind of database.
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// Returns the folder in which processes run.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the database's URL.
    pub fn url(&self) -> &str {
        &self.database_url
    }

    /// Returns the variables that connect a process to this store.
    pub fn env(&self) -> Vec<(String, String)> {
        let mut env = vec![("DATABASE_URL".to_owned(), self.database_url.clone())];
        if let Some(url) = &self.redis_url {
            env.push(("REDIS_URL".to_owned(), url.clone()));
            env.push(("PAYOUT_REDIS_PREFIX".to_owned(), self.folder.name()));
        }
        env
    }

    /// Runs statements that return nothing.
    pub async fn execute(&self, sql: impl Into<String>) {
        execute_on(&self.database_url, sql.into()).await;
    }

    /// Returns the one number that a query yields.
    pub async fn number(&self, sql: impl Into<String>) -> i64 {
        let sql = AssertSqlSafe(sql.into());
        match self.backend {
            Backend::Sqlite => {
                let mut connection = sqlite(&self.database_url).await;
                sqlx::query(sql).fetch_one(&mut connection).await.unwrap().get(0)
            }
            Backend::Postgres => {
                let mut connection = PgConnection::connect(&self.database_url).await.unwrap();
                sqlx::query(sql).fetch_one(&mut connection).await.unwrap().get(0)
            }
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let Some((server, name)) = self.drop_from.take() else {
            return;
        };
        if let Some(url) = &self.redis_url {
            // A Redis of the test's own may already be gone.
            let _ = forget_keys(url, &self.folder.name());
        }
        // This needs its own runtime, since the test's runtime may be shutting down.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(execute_on(
                &server,
                format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
            ));
        });
        let dropped = dropping.join();
        assert!(
            dropped.is_ok() || std::thread::panicking(),
            "cannot drop a database"
        );
    }
}

async fn execute_on(url: &str, sql: String) {
    let sql = AssertSqlSafe(sql);
    if url.starts_with("sqlite:") {
        let mut connection = sqlite(url).await;
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    } else {
        let mut connection = PgConnection::connect(url).await.expect("PostgreSQL answers");
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }
}

async fn sqlite(url: &str) -> SqliteConnection {
    let options: sqlx::sqlite::SqliteConnectOptions = url.parse().unwrap();
    SqliteConnection::connect_with(&options.busy_timeout(Duration::from_secs(10)))
        .await
        .unwrap()
}

/// Returns the URL of another database on the same server.
fn on_server(url: &str, name: &str) -> String {
    let (address, query) = url.split_once('?').unwrap_or((url, ""));
    let (server, _) = address.rsplit_once('/').expect("the URL names a database");
    if query.is_empty() {
        format!("{server}/{name}")
    } else {
        format!("{server}/{name}?{query}")
    }
}

/// Deletes the keys with this prefix; the tests share their Redis with other users.
fn forget_keys(url: &str, prefix: &str) -> std::io::Result<()> {
    let url: reqwest::Url = url.parse().map_err(std::io::Error::other)?;
    let address = (url.host_str().unwrap_or("127.0.0.1"), url.port().unwrap_or(6379));
    let mut stream = std::net::TcpStream::connect(address)?;
    let mut commands = String::new();
    if let Some(password) = url.password() {
        commands += &format!("AUTH {password}\r\n");
    }
    if let Some(number) = url.path().strip_prefix('/').filter(|number| !number.is_empty()) {
        commands += &format!("SELECT {number}\r\n");
    }
    stream.write_all(format!("{commands}DEL {prefix}:hints {prefix}:probe\r\nQUIT\r\n").as_bytes())?;
    std::io::copy(&mut stream, &mut std::io::sink()).map(drop)
}

fn setting(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

/// A test's own folder, deleted when this is dropped.
pub struct Folder(PathBuf);

impl Folder {
    /// Makes a new, empty folder.
    #[expect(
        clippy::new_without_default,
        reason = "it makes a folder, which no default should"
    )]
    pub fn new() -> Self {
        static GIVEN: AtomicU32 = AtomicU32::new(0);
        let number = GIVEN.fetch_add(1, Ordering::Relaxed);
        // Some servers give up root, and their user may not be able to enter root's own TMPDIR.
        let base = if is_root() {
            PathBuf::from("/tmp")
        } else {
            std::env::temp_dir()
        };
        let path = base.join(format!("payout-e2e-{}-{number}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Returns its path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    fn name(&self) -> String {
        self.0.file_name().unwrap().to_string_lossy().into_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Returns whether the tests run as root, to whom permission bits do not apply.
pub fn is_root() -> bool {
    let output = std::process::Command::new("id").arg("-u").output().unwrap();
    output.stdout.starts_with(b"0\n")
}
