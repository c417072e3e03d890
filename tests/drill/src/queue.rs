//! The queue of the drill, where it is a server of its own: started on its own port, emptied, killed and started again.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use clap::ValueEnum;
use lapin::options::QueuePurgeOptions;
use lapin::{Connection, ConnectionProperties};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::Outcome;
use crate::backing::free_port;

/// The kind of queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum QueueKind {
    Redis,
    /// The database itself.
    Postgres,
    /// RabbitMQ.
    Amqp,
    Nats,
}

impl QueueKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Postgres => "postgres",
            Self::Amqp => "amqp",
            Self::Nats => "nats",
        }
    }

    /// Returns whether the queue is a server of its own, which can be killed.
    pub(crate) fn is_a_server(self) -> bool {
        self != Self::Postgres
    }

    /// Returns the address at this port.
    pub(crate) fn url(self, port: u16) -> String {
        match self {
            Self::Redis => format!("redis://127.0.0.1:{port}/"),
            Self::Postgres => "postgres:".to_owned(),
            Self::Amqp => format!("amqp://guest:guest@127.0.0.1:{port}"),
            Self::Nats => format!("nats://127.0.0.1:{port}"),
        }
    }
}

/// The server that the queue is.
pub(crate) struct Broker {
    kind: QueueKind,
    folder: PathBuf,
    pub(crate) port: u16,
    /// The port of a directory of Erlang nodes of its own, and that of the node.
    ports: (u16, u16),
    processes: Vec<Child>,
}

impl Broker {
    /// Starts the server; none where the database is the queue.
    pub(crate) async fn start(kind: QueueKind, folder: &Path) -> Outcome<Option<Self>> {
        if !kind.is_a_server() {
            return Ok(None);
        }
        let mut this = Self {
            kind,
            folder: folder.join(kind.name()),
            port: free_port()?,
            ports: (free_port()?, free_port()?),
            processes: Vec::new(),
        };
        std::fs::create_dir(&this.folder)?;
        this.spawn()?;
        this.wait_until_up().await?;
        Ok(Some(this))
    }

    /// Kills the server by SIGKILL and starts it again after this time.
    pub(crate) async fn restart(&mut self, away: Duration) -> Outcome<()> {
        self.kill().await;
        sleep(away).await;
        self.spawn()?;
        self.wait_until_up().await
    }

    /// Throws away all hints.
    pub(crate) async fn flush(&self) -> Outcome<()> {
        let flushing = async {
            match self.kind {
                QueueKind::Redis => self.say(b"FLUSHALL\r\n", b"+").await,
                QueueKind::Nats => {
                    let purge = b"CONNECT {\"verbose\":false}\r\nPUB $JS.API.STREAM.PURGE.payout-hints 0\r\n\r\nPING\r\n";
                    self.say(purge, b"INFO").await
                }
                QueueKind::Amqp => {
                    let url = self.kind.url(self.port);
                    let connection = Connection::connect(&url, ConnectionProperties::default()).await?;
                    let channel = connection.create_channel().await?;
                    let purging = channel.queue_purge("payout.hints".into(), QueuePurgeOptions::default());
                    purging.await?;
                    Ok(())
                }
                QueueKind::Postgres => Ok(()),
            }
        };
        timeout(Duration::from_secs(5), flushing).await?
    }

    /// Sends a message whose answer begins with these bytes.
    async fn say(&self, message: &[u8], expected: &[u8]) -> Outcome<()> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await?;
        stream.write_all(message).await?;
        let mut answer = vec![0; expected.len()];
        stream.read_exact(&mut answer).await?;
        if answer == expected {
            Ok(())
        } else {
            Err(format!("{} refuses", self.kind.name()).into())
        }
    }

    async fn wait_until_up(&mut self) -> Outcome<()> {
        for _ in 0..2400 {
            let greeting = async {
                match self.kind {
                    QueueKind::Redis => self.say(b"PING\r\n", b"+").await,
                    QueueKind::Nats => self.say(b"PING\r\n", b"INFO").await,
                    QueueKind::Amqp => self.say(b"AMQP\x00\x00\x09\x01", b"\x01").await,
                    QueueKind::Postgres => Ok(()),
                }
            };
            if matches!(timeout(Duration::from_secs(1), greeting).await, Ok(Ok(()))) {
                return Ok(());
            }
            if let Some(server) = self.processes.last_mut()
                && server.try_wait()?.is_some()
            {
                self.kill().await;
                self.spawn()?;
            }
            sleep(Duration::from_millis(50)).await;
        }
        Err(format!("{} does not come up", self.kind.name()).into())
    }

    pub(crate) async fn stop(&mut self) {
        self.kill().await;
    }

    /// Kills the server, with the processes that it has started.
    async fn kill(&mut self) {
        for mut process in self.processes.drain(..) {
            if let Some(id) = process.id().and_then(|id| i32::try_from(id).ok()) {
                let _ = killpg(Pid::from_raw(id), Signal::SIGKILL);
            }
            let _ = process.kill().await;
        }
    }

    fn spawn(&mut self) -> Outcome<()> {
        let port = self.port.to_string();
        let commands = match self.kind {
            QueueKind::Redis => {
                let mut redis = Command::new("redis-server");
                redis.args(["--bind", "127.0.0.1", "--port", &port]);
                redis
                    .args(["--save", "", "--appendonly", "no", "--dir"])
                    .arg(&self.folder);
                vec![redis]
            }
            QueueKind::Nats => {
                let mut nats = Command::new("nats-server");
                nats.args(["-a", "127.0.0.1", "-p", &port, "-js", "-sd"])
                    .arg(&self.folder);
                vec![nats]
            }
            QueueKind::Amqp => self.rabbitmq(&port)?,
            QueueKind::Postgres => Vec::new(),
        };
        for mut command in commands {
            let log = self.folder.with_extension("log");
            let log = std::fs::File::options().create(true).append(true).open(log)?;
            command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
            command.process_group(0).kill_on_drop(true);
            let process = command
                .spawn()
                .map_err(|error| format!("install the server of the queue {}: {error}", self.kind.name()))?;
            self.processes.push(process);
        }
        Ok(())
    }

    /// RabbitMQ, and before it a directory of Erlang nodes of its own.
    fn rabbitmq(&self, port: &str) -> Outcome<Vec<Command>> {
        let servers = std::fs::read_dir("/usr/lib/rabbitmq/lib")
            .into_iter()
            .flatten()
            .flatten();
        let program = servers
            .map(|server| server.path().join("sbin/rabbitmq-server"))
            .find(|program| program.exists())
            .ok_or("install RabbitMQ: rabbitmq-server was not found")?;
        let file = |name: &str| self.folder.join(name);
        std::fs::write(file("plugins"), "[].")?;
        std::fs::write(file("rabbitmq.conf"), "")?;
        let (directory, node) = (self.ports.0.to_string(), self.ports.1.to_string());
        let mut names = Command::new("epmd");
        names.args(["-address", "127.0.0.1", "-port", &directory]);
        let mut server = Command::new(program);
        server
            .env("RABBITMQ_NODENAME", "payout@localhost")
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODE_PORT", port)
            .env("RABBITMQ_DIST_PORT", &node)
            .env("RABBITMQ_MNESIA_BASE", file("mnesia"))
            .env("RABBITMQ_LOG_BASE", file("log"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", file("plugins"))
            .env("RABBITMQ_CONFIG_FILE", file("rabbitmq"))
            .env("RABBITMQ_CONF_ENV_FILE", file("none"));
        for command in [&mut names, &mut server] {
            command
                .env("HOME", &self.folder)
                .env("ERL_EPMD_PORT", &directory)
                .env("ERL_EPMD_ADDRESS", "127.0.0.1");
        }
        Ok(vec![names, server])
    }
}
