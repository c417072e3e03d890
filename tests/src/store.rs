//! A database of the test's own, and a folder.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, PgConnection, Row, SqliteConnection};

/// What a service keeps its payouts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// A SQLite file, and the in-process queue.
    Sqlite,
    /// PostgreSQL, and Redis for the queue.
    Postgres,
}

impl Backend {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Sqlite, Self::Postgres];
}

/// An empty database, gone when this is dropped.
pub struct Store {
    backend: Backend,
    folder: Folder,
    database_url: String,
    redis_url: Option<String>,
    /// The server that has the database, and the database's name, when it must be dropped.
    drop_from: Option<(String, String)>,
}

impl Store {
    /// A new one.
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

    /// On servers of the test's own, which it drops by itself.
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

    /// The same database with another Redis.
    #[must_use]
    pub fn with_redis(mut self, url: String) -> Self {
        self.redis_url = Some(url);
        self
    }

    /// What it is.
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// The folder that processes run in.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The database's address.
    pub fn url(&self) -> &str {
        &self.database_url
    }

    /// The variables that lead a process here.
    pub fn env(&self) -> Vec<(String, String)> {
        let mut env = vec![("DATABASE_URL".to_owned(), self.database_url.clone())];
        if let Some(url) = &self.redis_url {
            env.push(("REDIS_URL".to_owned(), url.clone()));
            env.push(("PAYOUT_REDIS_PREFIX".to_owned(), self.folder.name()));
        }
        env
    }

    /// Runs statements that give nothing back.
    pub async fn execute(&self, sql: impl Into<String>) {
        execute_on(&self.database_url, sql.into()).await;
    }

    /// The one number that a query gives.
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
            // A Redis of the test's own may be gone by now.
            let _ = forget_keys(url, &self.folder.name());
        }
        // A runtime of its own, since the test's may be ending.
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

/// The same server's database of this name.
fn on_server(url: &str, name: &str) -> String {
    let (address, query) = url.split_once('?').unwrap_or((url, ""));
    let (server, _) = address.rsplit_once('/').expect("the URL names a database");
    if query.is_empty() {
        format!("{server}/{name}")
    } else {
        format!("{server}/{name}?{query}")
    }
}

/// Deletes the keys that a prefix begins; the tests' Redis is shared with whatever else uses it.
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

/// A folder of the test's own, gone when this is dropped.
pub struct Folder(PathBuf);

impl Folder {
    /// A new one, empty.
    #[expect(
        clippy::new_without_default,
        reason = "it makes a folder, which no default should"
    )]
    pub fn new() -> Self {
        static GIVEN: AtomicU32 = AtomicU32::new(0);
        let number = GIVEN.fetch_add(1, Ordering::Relaxed);
        // Some servers give up root, and what they become may not pass through root's own TMPDIR.
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

    /// Where it is.
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

/// Whether the tests run as root, whom no permission bits keep out.
pub fn is_root() -> bool {
    let output = std::process::Command::new("id").arg("-u").output().unwrap();
    output.stdout.starts_with(b"0\n")
}
