//! A database for a single test.

use std::sync::atomic::{AtomicU32, Ordering};

use payout_adapters::storage::admin::StorageAdmin;
use payout_adapters::storage::postgres::{PostgresOptions, PostgresRepository};
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};
use url::Url;

/// An empty database, which is dropped together with this value.
pub(crate) struct Database {
    name: String,
    url: String,
}

fn server() -> Url {
    let url = std::env::var("TEST_DATABASE_URL")
        .unwrap_or_else(|_| "postgres://postgres@127.0.0.1:5432/postgres".to_owned());
    Url::parse(&url).expect("TEST_DATABASE_URL is a URL")
}

async fn on_server(statement: String) {
    let mut connection = PgConnection::connect(server().as_str())
        .await
        .expect("PostgreSQL for the tests");
    sqlx::raw_sql(AssertSqlSafe(statement))
        .execute(&mut connection)
        .await
        .expect("make or drop a database");
    connection.close().await.expect("close the connection");
}

impl Database {
    /// Creates a database without a schema.
    pub(crate) async fn empty() -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "payout_adapters_test_{}_{}",
            std::process::id(),
            MADE.fetch_add(1, Ordering::Relaxed)
        );
        on_server(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
        on_server(format!("CREATE DATABASE {name}")).await;
        let mut url = server();
        url.set_path(&name);
        Self {
            name,
            url: url.into(),
        }
    }

    /// Creates a database with the schema, and a repository over it.
    pub(crate) async fn migrated() -> (PostgresRepository, Self) {
        let database = Self::empty().await;
        let repository = database.repository();
        repository.migrate().await.expect("migrate");
        (repository, database)
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn repository(&self) -> PostgresRepository {
        self.repository_with(&PostgresOptions {
            max_connections: 8,
            ..PostgresOptions::default()
        })
    }

    pub(crate) fn repository_with(&self, options: &PostgresOptions) -> PostgresRepository {
        PostgresRepository::connect_lazy(&self.url, options).expect("a repository")
    }

    /// Returns the host and the port of the server.
    #[allow(dead_code, reason = "only the tests of a pooler need it")]
    pub(crate) fn server(&self) -> (String, u16) {
        let url = Url::parse(&self.url).expect("a URL");
        let host = url.host_str().unwrap_or("127.0.0.1");
        (host.to_owned(), url.port().unwrap_or(5432))
    }

    /// Returns the URL of the database behind a pooler on this host.
    #[allow(dead_code, reason = "only the tests of a pooler need it")]
    pub(crate) fn url_through(&self, port: u16) -> String {
        format!("postgres://postgres@127.0.0.1:{port}/{}", self.name)
    }

    /// Opens connections that bypass the repository.
    pub(crate) async fn pool(&self) -> PgPool {
        self.pool_of(2).await
    }

    pub(crate) async fn pool_of(&self, connections: u32) -> PgPool {
        PgPoolOptions::new()
            .max_connections(connections)
            .connect(&self.url)
            .await
            .expect("a pool")
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let statement = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        // On a runtime of its own: a drop cannot wait for the test's runtime from within it.
        let dropped = std::thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(on_server(statement));
        });
        if dropped.join().is_err() && !std::thread::panicking() {
            panic!("the test's database could not be dropped");
        }
    }
}
