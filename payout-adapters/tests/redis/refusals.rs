//! Refusals of Redis: whatever it refuses with, the error has its code, and never more of its words.

use std::error::Error;

use payout_core::ports::{JobQueue, QueueError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::scratch::{SHORT, Scratch, hints};
use super::throwaway::ThrowawayRedis;

/// The moment at which a server refuses.
#[derive(Clone, Copy)]
enum Refuses {
    /// When a connection is opened, which it then closes.
    AtOnce,
    /// Each command.
    Commands,
}

/// Starts a server that refuses everything with this line, and returns a queue there.
async fn refusing(how: Refuses, line: &'static str) -> Scratch {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(refuse(stream, how, line));
        }
    });
    Scratch {
        url: format!("redis://127.0.0.1:{port}"),
        prefix: "p".into(),
    }
}

async fn refuse(mut stream: TcpStream, how: Refuses, line: &'static str) {
    let answer = format!("-{line}\r\n");
    match how {
        Refuses::AtOnce => {
            let _ = stream.write_all(answer.as_bytes()).await;
        }
        Refuses::Commands => {
            let mut read = vec![0; 65_536];
            while let Ok(length @ 1..) = stream.read(&mut read).await {
                // Each command is an array, and no argument of this test begins a line with an asterisk.
                let commands = read[..length]
                    .split(|byte| *byte == b'\n')
                    .filter(|line| line.starts_with(b"*"));
                let answers = answer.repeat(commands.count());
                if stream.write_all(answers.as_bytes()).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Returns the text of an error with its causes.
fn text(error: &QueueError) -> String {
    let mut error: &dyn Error = error;
    let mut text = error.to_string();
    while let Some(cause) = error.source() {
        text += &format!(": {cause}");
        error = cause;
    }
    text
}

async fn is_refused_with(scratch: &Scratch, code: &str) {
    let queue = scratch.queue("a");
    let sent = hints(2);
    let (enqueued, probed, received) =
        tokio::join!(queue.enqueue(&sent), queue.probe(), queue.receive(1, SHORT));
    for error in [enqueued.unwrap_err(), probed.unwrap_err(), received.unwrap_err()] {
        let text = text(&error);
        assert!(matches!(error, QueueError::Refused(_)), "{code}: {text}");
        assert!(text.contains(&format!("({code})")), "{code}: {text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[tokio::test]
async fn a_refusal_of_a_command_has_its_code() {
    for (code, line) in [
        (
            "NOPERM",
            "NOPERM User hunter2 has no permissions to run the 'xadd' command",
        ),
        ("NOAUTH", "NOAUTH Authentication required."),
        ("MISCONF", "MISCONF Errors writing to the AOF file: hunter2"),
        ("LOADING", "LOADING Redis is loading the dataset in memory"),
        ("OOM", "OOM command not allowed when used memory > 'maxmemory'."),
        ("CLUSTERDOWN", "CLUSTERDOWN The cluster is down"),
        (
            "MASTERDOWN",
            "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
        ),
        (
            "READONLY",
            "READONLY You can't write against a read only replica.",
        ),
        ("BUSY", "BUSY Redis is busy running a script."),
        ("NOREPLICAS", "NOREPLICAS Not enough good replicas to write."),
    ] {
        let scratch = refusing(Refuses::Commands, line).await;
        is_refused_with(&scratch, code).await;
    }
}

/// A server in protected mode, or with as many clients as it takes, says so and closes the connection.
#[tokio::test]
async fn a_refusal_of_the_connection_has_its_code() {
    for (code, line) in [
        (
            "DENIED",
            "DENIED Redis is running in protected mode because protected mode is enabled, hunter2",
        ),
        ("ERR", "ERR max number of clients reached"),
    ] {
        let scratch = refusing(Refuses::AtOnce, line).await;
        is_refused_with(&scratch, code).await;
    }
}

/// A server with a password, of which the URL knows nothing, and a database that the user may not select.
#[tokio::test]
async fn a_refusal_to_select_the_database_has_its_code() {
    let mut redis = ThrowawayRedis::reserved();
    redis.start().await;
    redis.tell("ACL SETUSER nobody on >nobody ~* +@all -select").await;
    redis.tell("CONFIG SET requirepass hunter2").await;
    let at = |user: &str| Scratch {
        url: redis.url().replace("redis://", &format!("redis://{user}")) + "/1",
        prefix: "p".into(),
    };
    is_refused_with(&at(""), "NOAUTH").await;
    is_refused_with(&at("nobody:nobody@"), "NOPERM").await;
}
