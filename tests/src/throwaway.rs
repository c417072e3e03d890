//! A test's own servers, which it may kill and restart. The shared servers are never touched.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::ports::free_port;
use crate::store::{Folder, is_root};
use crate::wait::{SOON, eventually};

/// A server process, killed when dropped.
struct Server(Option<Child>);

impl Server {
    fn start(command: &mut Command) -> Self {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self(Some(child.unwrap_or_else(|error| panic!("{command:?}: {error}"))))
    }

    /// Ends the server by a signal, and waits until it is gone.
    fn stop(&mut self, signal: &str) {
        if let Some(mut child) = self.0.take() {
            let _ = Command::new("kill")
                .args([&format!("-{signal}"), &child.id().to_string()])
                .status();
            let _ = child.wait();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // PostgreSQL's "immediate shutdown"; SIGKILL would leave its children behind for a moment.
        self.stop("QUIT");
    }
}

/// A Redis without persistence.
pub struct Redis {
    port: u16,
    server: Server,
}

impl Redis {
    /// Chooses a port, and starts nothing yet.
    pub fn reserved() -> Self {
        Self {
            port: free_port(),
            server: Server(None),
        }
    }

    /// Returns the URL at which it runs, or will run.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Starts Redis, empty.
    pub async fn start(&mut self) {
        let port = self.port.to_string();
        let options = [
            "--port",
            &port,
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ];
        self.server = Server::start(Command::new("redis-server").args(options));
        let port = self.port;
        eventually("a throw-away Redis answers", SOON, async || {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
            stream.write_all(b"PING\r\n").await.ok()?;
            let mut answer = [0; 5];
            stream.read_exact(&mut answer).await.ok()?;
            (answer == *b"+PONG").then_some(())
        })
        .await;
    }

    /// Sends a command, which Redis must execute.
    pub async fn tell(&self, command: &str) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        stream
            .write_all(format!("{command}\r\n").as_bytes())
            .await
            .unwrap();
        let mut answer = [0; 1];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, *b"+", "{command}");
    }

    /// Kills Redis, with all its data.
    pub fn stop(&mut self) {
        self.server.stop("KILL");
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // A test in a shell's background ignores SIGQUIT, and so does a Redis that it starts.
        self.stop();
    }
}

/// A PostgreSQL server.
pub struct Postgres {
    port: u16,
    data: PathBuf,
    server: Server,
    folder: Folder,
}

impl Postgres {
    /// Chooses a port and initializes the data directory; starts nothing yet.
    pub fn reserved() -> Self {
        let this = Self::empty();
        let mut initdb = command("initdb", this.folder.path());
        initdb.args([
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--no-locale",
            "--no-sync",
            "-D",
        ]);
        succeeds(initdb.arg(&this.data));
        this
    }

    /// Chooses a port and copies the data of a running server, to follow it as a standby; starts nothing yet.
    pub fn standby_of(primary: &Self) -> Self {
        let this = Self::empty();
        let mut copy = command("pg_basebackup", this.folder.path());
        copy.args([
            "-h",
            "127.0.0.1",
            "-p",
            &primary.port.to_string(),
            "-U",
            "postgres",
        ]);
        copy.args(["--write-recovery-conf", "--checkpoint=fast", "--no-sync", "-D"]);
        succeeds(copy.arg(&this.data));
        this
    }

    /// Chooses a port, and makes an empty data directory.
    fn empty() -> Self {
        let folder = Folder::new();
        let data = folder.path().join("data");
        std::fs::DirBuilder::new().mode(0o700).create(&data).unwrap();
        if is_root() {
            succeeds(Command::new("chown").arg(unprivileged()).arg(&data));
        }
        Self {
            port: free_port(),
            data,
            server: Server(None),
            folder,
        }
    }

    /// Makes a standby the primary.
    pub async fn promote(&self) {
        let mut connection = <sqlx::PgConnection as sqlx::Connection>::connect(&self.url())
            .await
            .unwrap();
        sqlx::raw_sql("SELECT pg_promote()")
            .execute(&mut connection)
            .await
            .unwrap();
    }

    /// Returns its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns its data directory.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Returns the URL of its initial database.
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// Returns the URL of a database that was created on it.
    pub fn url_of(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// Starts PostgreSQL with its existing data; not durable, for speed.
    pub async fn start(&mut self) {
        self.start_with(&["fsync=off"]).await;
    }

    /// Starts PostgreSQL with its existing data and these settings.
    pub async fn start_with(&mut self, settings: &[&str]) {
        let mut postgres = command("postgres", self.folder.path());
        postgres
            .arg("-D")
            .arg(&self.data)
            .args(["-p", &self.port.to_string()]);
        let own = ["listen_addresses=127.0.0.1", "unix_socket_directories="];
        for option in own.iter().chain(settings) {
            postgres.args(["-c", option]);
        }
        self.server = Server::start(&mut postgres);
        let url = self.url();
        eventually("a throw-away PostgreSQL answers", SOON, async || {
            <sqlx::PgConnection as sqlx::Connection>::connect(&url).await.ok()
        })
        .await;
    }

    /// Stops PostgreSQL immediately, as a crash would.
    pub fn stop(&mut self) {
        self.server.stop("QUIT");
    }
}

/// Builds a command for one of PostgreSQL's programs, which refuse to run as root.
fn command(program: &str, folder: &Path) -> Command {
    let program = postgres_bin().join(program);
    let mut command = if is_root() {
        let user = unprivileged();
        let mut command = Command::new("setpriv");
        command
            .args([
                &format!("--reuid={user}"),
                &format!("--regid={user}"),
                "--clear-groups",
            ])
            .arg(program);
        command
    } else {
        Command::new(program)
    };
    command.current_dir(folder);
    command
}

/// Returns the folder with the newest installed version's programs.
pub fn postgres_bin() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let mut found: Vec<(u32, PathBuf)> = versions
        .filter_map(|version| {
            let number = version.file_name().to_str()?.parse().ok()?;
            Some((number, version.path().join("bin")))
        })
        .filter(|(_, bin)| bin.join("initdb").exists())
        .collect();
    found.sort();
    if let Some((_, bin)) = found.pop() {
        return bin;
    }
    let output = Command::new("pg_config")
        .arg("--bindir")
        .output()
        .expect("PostgreSQL is installed");
    PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
}

/// Runs a program to its end.
fn succeeds(command: &mut Command) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}

fn unprivileged() -> &'static str {
    let there = Command::new("id")
        .args(["-u", "postgres"])
        .output()
        .unwrap()
        .status
        .success();
    if there { "postgres" } else { "nobody" }
}
