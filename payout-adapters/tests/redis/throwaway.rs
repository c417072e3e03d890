//! A Redis server for a single test, which may kill and freeze it.

use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bb8_redis::redis::{Client, cmd};
use payout_core::ports::{Randomness, System};

pub(crate) struct ThrowawayRedis {
    port: u16,
    child: Option<Child>,
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
        Self { port, child: None }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Starts the server without data, and waits until it answers.
    pub(crate) async fn start(&mut self) {
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
        let child = Command::new("redis-server")
            .args(options)
            .stdout(Stdio::null())
            .spawn();
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
    }
}
