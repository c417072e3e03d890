//! PostgreSQL for the drill alone: started on its own port, killed and started again.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::{User, geteuid};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::Outcome;
use crate::processes::signal;

/// Returns a port that nothing listens on. It is below 32768, since the kernel hands higher ports to clients.
pub(crate) fn free_port() -> Outcome<u16> {
    use std::sync::atomic::{AtomicU16, Ordering};
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    let start = std::process::id() * 31 % 11_000;
    for _ in 0..2000 {
        let given = u32::from(GIVEN.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(21_000 + (start + given) % 11_000)?;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err("no free port below 32768".into())
}

pub(crate) struct Postgres {
    binaries: PathBuf,
    data: PathBuf,
    log: PathBuf,
    user: Option<User>,
    pub(crate) port: u16,
    child: Child,
}

impl Postgres {
    /// Starts PostgreSQL in `folder`. Where it runs as another user, that user owns its data directory.
    pub(crate) async fn start(folder: &Path) -> Outcome<Self> {
        let binaries = postgres_binaries().ok_or("install PostgreSQL: initdb and postgres were not found")?;
        let user = if geteuid().is_root() {
            // PostgreSQL refuses to run as root.
            let user = User::from_name("postgres")?.or(User::from_name("nobody")?);
            Some(user.ok_or("PostgreSQL does not run as root, and there is no user postgres or nobody")?)
        } else {
            None
        };
        let data = folder.join("postgres");
        std::fs::create_dir(&data)?;
        if let Some(user) = &user {
            std::os::unix::fs::chown(&data, Some(user.uid.as_raw()), Some(user.gid.as_raw()))?;
        }
        let log = folder.join("postgres.log");
        let mut command = Command::new(binaries.join("initdb"));
        command.arg("-D").arg(&data);
        command.args([
            "-U",
            "postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--no-locale",
            "--no-sync",
        ]);
        let made = as_user(&mut command, user.as_ref(), &data).output().await?;
        if !made.status.success() {
            return Err(format!("initdb: {}", String::from_utf8_lossy(&made.stderr)).into());
        }
        let port = free_port()?;
        let child = spawn_postgres(&binaries, &data, &log, user.as_ref(), port)?;
        let mut this = Self {
            binaries,
            data,
            log,
            user,
            port,
            child,
        };
        this.wait_until_up().await?;
        Ok(this)
    }

    pub(crate) fn url(&self, port: u16) -> String {
        format!("postgres://postgres@127.0.0.1:{port}/postgres")
    }

    /// Returns a pool that connects directly, not through the proxy.
    pub(crate) fn pool(&self) -> PgPool {
        let options = PgConnectOptions::new()
            .host("127.0.0.1")
            .port(self.port)
            .username("postgres")
            .database("postgres")
            .application_name("drill");
        PgPoolOptions::new().max_connections(4).connect_lazy_with(options)
    }

    /// Kills the postmaster by SIGKILL; its backends notice and end.
    pub(crate) async fn crash(&mut self, away: Duration) -> Outcome<()> {
        self.child.kill().await?;
        sleep(away).await;
        self.wait_until_up().await
    }

    /// Starts PostgreSQL repeatedly until it is up: it refuses to start while backends of the previous one live.
    async fn wait_until_up(&mut self) -> Outcome<()> {
        let up = async {
            loop {
                if self.child.try_wait()?.is_some() {
                    sleep(Duration::from_millis(50)).await;
                    self.child = spawn_postgres(
                        &self.binaries,
                        &self.data,
                        &self.log,
                        self.user.as_ref(),
                        self.port,
                    )?;
                }
                let pool = self.pool();
                let asked = timeout(Duration::from_secs(1), sqlx::query("SELECT 1").execute(&pool)).await;
                timeout(Duration::from_secs(1), pool.close()).await.ok();
                if matches!(asked, Ok(Ok(_))) {
                    return Ok(());
                }
                sleep(Duration::from_millis(100)).await;
            }
        };
        timeout(Duration::from_secs(60), up)
            .await
            .unwrap_or_else(|_| Err("PostgreSQL does not come up".into()))
    }

    pub(crate) async fn stop(&mut self) {
        signal(self.child.id(), Signal::SIGINT);
        if timeout(Duration::from_secs(10), self.child.wait()).await.is_err() {
            let _ = self.child.kill().await;
        }
    }
}

fn spawn_postgres(
    binaries: &Path,
    data: &Path,
    log: &Path,
    user: Option<&User>,
    port: u16,
) -> Outcome<Child> {
    let log = std::fs::File::options().create(true).append(true).open(log)?;
    let mut command = Command::new(binaries.join("postgres"));
    command.arg("-D").arg(data).args(["-p", &port.to_string()]);
    // fsync is on: acknowledged writes must survive, which is what the drill tests.
    for setting in [
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "max_connections=200",
        "fsync=on",
        "synchronous_commit=on",
        "full_page_writes=on",
        "log_connections=off",
    ] {
        command.args(["-c", setting]);
    }
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    // A process group of its own keeps it from the terminal's Ctrl-C: the drill ends it itself.
    command.process_group(0).kill_on_drop(true);
    Ok(as_user(&mut command, user, data).spawn()?)
}

fn as_user<'c>(command: &'c mut Command, user: Option<&User>, folder: &Path) -> &'c mut Command {
    if let Some(user) = user {
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    command.current_dir(folder).env("LC_ALL", "C")
}

/// Finds the newest installed PostgreSQL.
fn postgres_binaries() -> Option<PathBuf> {
    let mut folders: Vec<(u32, PathBuf)> = Vec::new();
    for entry in std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
    {
        let version = entry.file_name().to_string_lossy().parse().unwrap_or(0);
        folders.push((version, entry.path().join("bin")));
    }
    folders.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let newest_first = folders.into_iter().rev().map(|(_, folder)| folder);
    newest_first
        .chain(std::env::split_paths(&path))
        .find(|folder| folder.join("initdb").exists() && folder.join("postgres").exists())
}
