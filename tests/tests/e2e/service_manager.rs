//! The notifications to systemd: ready, and about to end.

use std::time::Duration;

use payout_tests::store::Backend;
use payout_tests::wait::SOON;
use tokio::net::UnixDatagram;
use tokio::time::timeout;

use crate::support::launch;

/// Returns the next message; `None` if the time passes without one.
async fn next(socket: &UnixDatagram, within: Duration) -> Option<String> {
    let mut message = [0; 256];
    let length = timeout(within, socket.recv(&mut message)).await.ok()?.unwrap();
    Some(String::from_utf8_lossy(&message[..length]).trim_end().to_owned())
}

#[tokio::test]
async fn a_process_says_when_it_is_ready_and_when_it_ends() {
    let launch = launch(Backend::Sqlite).await;
    let socket = launch.store().folder().join("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    let launch = launch.set("NOTIFY_SOCKET", socket.display());

    let mut server = launch.spawn(&["serve"]);
    let early = next(&manager, Duration::from_millis(700)).await;
    assert_eq!(early, None, "it is not ready without a schema");
    launch.migrate().await;
    assert_eq!(next(&manager, SOON).await.as_deref(), Some("READY=1"));
    assert!(server.terminate().await.success());
    assert_eq!(next(&manager, SOON).await.as_deref(), Some("STOPPING=1"));

    let mut worker = launch.worker();
    assert_eq!(next(&manager, SOON).await.as_deref(), Some("READY=1"));
    assert!(worker.terminate().await.success());
    assert_eq!(next(&manager, SOON).await.as_deref(), Some("STOPPING=1"));
}
