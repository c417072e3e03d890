//! A NATS server for a single test, which may kill it.

use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use payout_core::ports::{Randomness, System};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

pub(crate) struct Server {
    folder: PathBuf,
    port: u16,
    process: Option<Child>,
}

impl Server {
    /// Chooses a port without starting the server. The port is below 32768: a client's socket might take a higher one
    /// before the server starts.
    pub(crate) fn new(configuration: &str) -> Self {
        let system = System::default();
        let port = loop {
            let port = 20_000 + u16::try_from(system.next_u64() % 12_000).unwrap();
            if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
                break port;
            }
        };
        let folder = std::env::temp_dir().join(format!("payout-nats-{:016x}", system.next_u64()));
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("nats.conf"), configuration).unwrap();
        Self {
            folder,
            port,
            process: None,
        }
    }

    /// Returns the URL for a user whose password is its name; for nobody if the name is empty.
    pub(crate) fn url(&self, user: &str) -> String {
        let user = if user.is_empty() {
            String::new()
        } else {
            format!("{user}:{user}@")
        };
        format!("nats://{user}127.0.0.1:{}", self.port)
    }

    /// Starts the server, and waits until it answers.
    pub(crate) async fn start(&mut self) {
        let mut command = Command::new("nats-server");
        command
            .args(["-a", "127.0.0.1", "-p", &self.port.to_string(), "-js", "-sd"])
            .arg(self.folder.join("data"))
            .arg("-c")
            .arg(self.folder.join("nats.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        self.process = Some(command.spawn().expect("nats-server must be installed"));
        let port = self.port;
        let answers = async {
            loop {
                if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)).await
                    && stream.read_u8().await.is_ok_and(|byte| byte == b'I')
                {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), answers)
            .await
            .expect("it starts");
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
