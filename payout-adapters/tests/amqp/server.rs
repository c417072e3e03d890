//! A RabbitMQ for a single test, which may kill it.

use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use payout_core::ports::{Randomness, System};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The users: the first has the rights that docs/security.md names, the second may only read.
const DEFINITIONS: &str = r#"{
    "users": [
        {"name": "payout", "password": "payout", "tags": ""},
        {"name": "reader", "password": "reader", "tags": ""}
    ],
    "vhosts": [{"name": "/"}],
    "permissions": [
        {
            "user": "payout", "vhost": "/",
            "configure": "^payout\\.(hints|probe)$", "write": "^amq\\.default$", "read": "^payout\\.hints$"
        },
        {"user": "reader", "vhost": "/", "configure": "^$", "write": "^$", "read": "^payout\\.hints$"}
    ]
}"#;

pub(crate) struct Server {
    folder: PathBuf,
    port: u16,
    /// The port of its own directory of Erlang nodes, and that of the node.
    ports: (u16, u16),
    processes: Vec<Child>,
}

/// Chooses a free port below 32768: a client's socket might take a higher one before the server starts.
fn free_port() -> u16 {
    loop {
        let port = 20_000 + u16::try_from(System::default().next_u64() % 12_000).unwrap();
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// Finds one of RabbitMQ's programs, without Debian's wrapper, which would run it as another user.
fn program(name: &str) -> PathBuf {
    let servers = std::fs::read_dir("/usr/lib/rabbitmq/lib").expect("RabbitMQ must be installed");
    let server = servers.flatten().next().expect("RabbitMQ must be installed");
    server.path().join("sbin").join(name)
}

impl Server {
    pub(crate) fn new() -> Self {
        let name = format!("payout-rabbitmq-{:016x}", System::default().next_u64());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("definitions.json"), DEFINITIONS).unwrap();
        std::fs::write(folder.join("plugins"), "[].").unwrap();
        Self {
            folder,
            port: free_port(),
            ports: (free_port(), free_port()),
            processes: Vec::new(),
        }
    }

    pub(crate) fn url(&self, user: &str) -> String {
        format!("amqp://{user}:{user}@127.0.0.1:{}", self.port)
    }

    /// Starts the server with further lines of configuration, and waits until it answers.
    pub(crate) async fn start(&mut self, lines: &[&str]) {
        let file = |name: &str| self.folder.join(name);
        let definitions = format!("load_definitions = {}\n", file("definitions.json").display());
        std::fs::write(file("rabbitmq.conf"), definitions + &lines.join("\n") + "\n").unwrap();
        let (epmd, node) = (self.ports.0.to_string(), self.ports.1.to_string());
        let mut names = Command::new("epmd");
        names.args(["-address", "127.0.0.1", "-port", &epmd]);
        let mut broker = Command::new(program("rabbitmq-server"));
        broker
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODE_PORT", self.port.to_string())
            .env("RABBITMQ_DIST_PORT", &node)
            .env("RABBITMQ_MNESIA_BASE", file("mnesia"))
            .env("RABBITMQ_LOG_BASE", file("log"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", file("plugins"))
            .env("RABBITMQ_CONFIG_FILE", file("rabbitmq"))
            .env("RABBITMQ_CONF_ENV_FILE", file("none"));
        for command in [&mut names, &mut broker] {
            self.of_its_own(command)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .process_group(0);
            self.processes
                .push(command.spawn().expect("RabbitMQ and Erlang must be installed"));
        }
        let port = self.port;
        let answers = async {
            loop {
                if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)).await
                    && stream.write_all(b"AMQP\x00\x00\x09\x01").await.is_ok()
                    && stream.read_u8().await.is_ok_and(|byte| byte == 1)
                {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(240), answers)
            .await
            .expect("it starts");
    }

    /// Has a command find this server's node, and no other.
    fn of_its_own<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env("HOME", &self.folder)
            .env("ERL_EPMD_PORT", self.ports.0.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODENAME", "payout@localhost")
    }

    /// Kills the server, and all processes that it has started.
    pub(crate) fn kill(&mut self) {
        for mut process in self.processes.drain(..) {
            let _ = Command::new("kill")
                .args(["-KILL", "--", &format!("-{}", process.id())])
                .status();
            let _ = process.wait();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
