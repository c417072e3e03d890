//! A Redis server for a single test, which may kill and freeze it.

use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bb8_redis::redis::{Client, Value, cmd};
use payout_core::ports::{Randomness, System};

pub(crate) struct ThrowawayRedis {
    port: u16,
    child: Option<Child>,
    /// Where a sentinel and the node of a cluster keep what they know.
    folder: Option<PathBuf>,
}

impl ThrowawayRedis {
    /// Chooses a free port without starting the server. The port is below 32768: a client's socket might take a higher
    /// one before the server starts.
    pub(crate) fn reserved() -> Self {
        let system = System::default();
        let port = loop {
            let port = 20_000 + u16::try_from(system.next_u64() % 12_000).unwrap();
            if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
                break port;
            }
        };
        Self {
            port,
            child: None,
            folder: None,
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The port at which the nodes of a cluster meet.
    pub(crate) fn bus(&self) -> u16 {
        self.port - 10_000
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Starts the server without data, and waits until it answers.
    pub(crate) async fn start(&mut self) {
        self.start_with(&[]).await;
    }

    /// Starts the node of a cluster, in which it stays over restarts.
    pub(crate) async fn start_cluster_node(&mut self) {
        let file = self.folder().join("nodes.conf").display().to_string();
        let bus = self.bus().to_string();
        let options = [
            "--cluster-enabled",
            "yes",
            "--cluster-config-file",
            &file,
            "--cluster-port",
            &bus,
        ];
        self.start_with(&options).await;
    }

    /// Starts a sentinel that watches a primary.
    pub(crate) async fn start_sentinel(&mut self, name: &str, primary: u16) {
        let file = self.folder().join("sentinel.conf");
        let configuration = format!(
            "port {}\nbind 127.0.0.1\nsentinel monitor {name} 127.0.0.1 {primary} 1\n\
             sentinel down-after-milliseconds {name} 1000\nsentinel failover-timeout {name} 3000\n",
            self.port
        );
        std::fs::write(&file, configuration).unwrap();
        self.spawn(Command::new("redis-server").arg(file).arg("--sentinel"))
            .await;
    }

    fn folder(&mut self) -> &PathBuf {
        self.folder.get_or_insert_with(|| {
            let name = format!("payout-redis-{:016x}", System::default().next_u64());
            let folder = std::env::temp_dir().join(name);
            std::fs::create_dir(&folder).unwrap();
            folder
        })
    }

    /// Starts the server without data and with these options, and waits until it answers.
    pub(crate) async fn start_with(&mut self, further: &[&str]) {
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
        self.spawn(Command::new("redis-server").args(options).args(further))
            .await;
    }

    /// Runs a command, given as words, which must succeed.
    pub(crate) async fn tell(&self, words: &str) {
        self.ask(words).await;
    }

    /// Runs a command, given as words, and returns all words of its answer.
    pub(crate) async fn ask(&self, words: &str) -> String {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "every other value is shown as it is"
        )]
        fn text(value: Value) -> String {
            match value {
                Value::BulkString(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                Value::SimpleString(text) => text,
                Value::Array(values) => values.into_iter().map(text).collect::<Vec<_>>().join(" "),
                Value::Map(pairs) => {
                    let pairs = pairs
                        .into_iter()
                        .map(|(name, value)| text(name) + " " + &text(value));
                    pairs.collect::<Vec<_>>().join(" ")
                }
                other => format!("{other:?}"),
            }
        }
        let mut words = words.split(' ');
        let mut command = cmd(words.next().unwrap());
        for word in words {
            command.arg(word);
        }
        let client = Client::open(self.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        text(command.query_async(&mut connection).await.unwrap())
    }

    async fn spawn(&mut self, command: &mut Command) {
        let child = command.stdout(Stdio::null()).spawn();
        self.child = Some(child.expect("redis-server must be installed"));
        let client = Client::open(self.url()).unwrap();
        let answers = async {
            loop {
                if let Ok(mut connection) = client.get_multiplexed_async_connection().await
                    && cmd("PING").query_async::<String>(&mut connection).await.is_ok()
                {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), answers)
            .await
            .expect("it starts");
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // SIGKILL also ends a frozen process.
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub(crate) fn freeze(&self) {
        self.signal("-STOP");
    }

    pub(crate) fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let id = self.child.as_ref().expect("it runs").id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &id])
                .status()
                .unwrap()
                .success()
        );
    }
}

impl Drop for ThrowawayRedis {
    fn drop(&mut self) {
        self.kill();
        if let Some(folder) = &self.folder {
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}
