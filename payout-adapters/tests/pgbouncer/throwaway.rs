//! A PgBouncer for a single test, in front of the tests' PostgreSQL.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use payout_adapters::storage::admin::StorageAdmin;
use payout_adapters::storage::postgres::{Pooler, PostgresOptions, PostgresRepository};
use payout_core::ports::{Randomness, System};

use crate::database::Database;

pub(crate) struct PgBouncer {
    port: u16,
    mode: Pooler,
    folder: PathBuf,
    child: Child,
}

impl PgBouncer {
    /// Starts it in this mode, with few sessions, and migrates a new database through it.
    pub(crate) async fn in_mode(mode: Pooler) -> (Self, Database) {
        let database = Database::empty().await;
        let this = Self::start(&database, mode).await;
        this.repository(&database).migrate().await.expect("migrate");
        (this, database)
    }

    async fn start(database: &Database, mode: Pooler) -> Self {
        let (pool_mode, sessions) = match mode {
            Pooler::Session => ("session", 40),
            Pooler::Transaction => ("transaction", 6),
        };
        let (host, server) = database.server();
        let system = System::default();
        // Below 32768: a client's socket might take a higher one before the server starts.
        let port = loop {
            let port = 20_000 + u16::try_from(system.next_u64() % 12_000).unwrap();
            if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
                break port;
            }
        };
        let folder = PathBuf::from(format!("/tmp/payout-pgbouncer-{}-{port}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let config = folder.join("pgbouncer.ini");
        // No parameter of the start is ignored, so each that the service sent would be refused.
        let text = format!(
            "[databases]\n* = host={host} port={server} user=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = {pool_mode}\n\
             default_pool_size = {sessions}\nmax_client_conn = 200\n"
        );
        std::fs::write(&config, text).unwrap();
        let child = unprivileged("pgbouncer")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("pgbouncer must be installed");
        let this = Self {
            port,
            mode,
            folder,
            child,
        };
        for _ in 0..500 {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return this;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("pgbouncer does not listen");
    }

    pub(crate) fn repository(&self, database: &Database) -> PostgresRepository {
        let options = PostgresOptions {
            max_connections: 16,
            pooler: self.mode,
            ..PostgresOptions::default()
        };
        PostgresRepository::connect_lazy(&database.url_through(self.port), &options).expect("a repository")
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Runs a program of /usr/sbin; PgBouncer refuses to run as root.
fn unprivileged(program: &str) -> Command {
    let path = std::env::var("PATH").unwrap_or_default();
    let id = Command::new("id").arg("-u").output().unwrap();
    let mut command = if id.stdout == b"0\n" {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups", program]);
        command
    } else {
        Command::new(program)
    };
    command.env("PATH", format!("{path}:/usr/sbin"));
    command
}
