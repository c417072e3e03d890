//! Notifications that the stand-in pushes: genuine ones name their transfer, forged ones are refused.

use payout_core::provider::{Notification, NotificationError, PaymentName};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::*;

/// Receives notifications on a free port.
async fn receiver() -> (String, mpsc::UnboundedReceiver<Notification>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (sender, received) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let sender = sender.clone();
            tokio::spawn(async move {
                let mut stream = BufStream::new(stream);
                while let Some(notification) = read(&mut stream).await {
                    sender.send(notification).unwrap();
                    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
                    stream.write_all(answer).await.unwrap();
                    stream.flush().await.unwrap();
                }
            });
        }
    });
    (url, received)
}

async fn read(stream: &mut BufStream<tokio::net::TcpStream>) -> Option<Notification> {
    let mut notification = Notification::default();
    let mut line = String::new();
    if stream.read_line(&mut line).await.ok()? == 0 {
        return None;
    }
    loop {
        line.clear();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        let header = (name.to_ascii_lowercase(), value.trim().to_owned());
        notification.headers.push(header);
    }
    let length = notification.header("content-length")?.parse().ok()?;
    notification.body = vec![0; length];
    stream.read_exact(&mut notification.body).await.ok()?;
    Some(notification)
}

async fn notified(faults: FaultProfile) -> (StandIn, mpsc::UnboundedReceiver<Notification>) {
    let (url, received) = receiver().await;
    let settings = StandInSettings {
        faults,
        notify: Some(url),
        ..StandInSettings::default()
    };
    (
        StandIn::start(Adyen::default(), settings).await.unwrap(),
        received,
    )
}

#[tokio::test]
async fn a_notification_names_its_transfer_and_no_status_of_it_is_believed() {
    let (stand_in, mut received) = notified(undecided()).await;
    let processor = processor(&stand_in.url());
    let instruction = instruction(&processor);
    processor.submit(&instruction).await.unwrap();
    stand_in.settle(instruction.key.as_str()).await.unwrap();
    let reference = ProviderReference::new(&payment(&stand_in, &instruction).id).unwrap();
    let expected = [
        PaymentName::Key(instruction.key.as_str().to_owned()),
        PaymentName::Reference(reference),
    ];
    for _ in 0..2 {
        let notification = received.recv().await.unwrap();
        assert_eq!(
            processor.read_notification(&notification).await.unwrap(),
            expected
        );
    }
}

#[tokio::test]
async fn a_forged_notification_is_refused() {
    let mut faults = undecided();
    faults.notifications.forged = 1000;
    faults.notifications.missing = 1000;
    let (stand_in, mut received) = notified(faults).await;
    let processor = processor(&stand_in.url());
    processor.submit(&instruction(&processor)).await.unwrap();
    let notification = received.recv().await.unwrap();
    let refused = processor.read_notification(&notification).await;
    assert!(
        matches!(refused, Err(NotificationError::InvalidSignature)),
        "{refused:?}"
    );
}

#[tokio::test]
async fn without_a_key_no_notification_is_taken() {
    let settings = AdyenSettings {
        notification_key: None,
        ..settings("http://127.0.0.1:1")
    };
    let processor = AdyenProcessor::new(&settings).unwrap();
    let refused = processor.read_notification(&Notification::default()).await;
    assert!(
        matches!(refused, Err(NotificationError::NotConfigured)),
        "{refused:?}"
    );
}
