//! A provider that redirects, breaks off, hangs, lies and closes: the outcome is unknown, and the request is sent once.

use std::collections::HashSet;
use std::time::Duration;

use payout_core::contract::build;
use payout_core::provider::{ProcessorError, ProviderAnswer};

use super::calls::{PAID, assert_paid, assert_unknown, processor, submit, submit_as};
use super::provider::{Deed, Provider, answer, encode, honest};

#[tokio::test]
async fn a_redirect_is_unknown_and_its_target_receives_nothing() {
    let target = honest().await;
    for status in [301, 302, 303, 307, 308] {
        let location = format!(
            "HTTP/1.1 {status} X\r\nlocation: {}/payouts\r\ncontent-length: 0\r\n\r\n",
            target.url()
        );
        let provider = Provider::doing([Deed::Raw(location.into_bytes())]).await;
        assert_unknown(&submit(&provider.url()).await);
        assert_eq!(provider.requests().len(), 1);
    }
    assert!(target.requests().is_empty());
}

#[tokio::test]
async fn whatever_goes_wrong_after_sending_is_unknown_and_sent_once() {
    let whole = encode(200, "", PAID);
    let half = whole[..whole.len() - 8].to_vec();
    let head = |headers: &str| format!("HTTP/1.1 200 OK\r\n{headers}\r\n").into_bytes();
    let with = |headers: &str, body: &str| [head(headers), body.as_bytes().to_vec()].concat();
    let chunk = format!("{:x}\r\n{PAID}\r\n", PAID.len());
    let deeds = [
        ("closed without a word", Deed::Raw(vec![])),
        ("reset without a word", Deed::Reset(vec![])),
        ("hangs without a word", Deed::Stall(vec![])),
        ("half a head", Deed::Raw(b"HTTP/1.1 200 OK\r\ncontent-".to_vec())),
        (
            "half a head, then hangs",
            Deed::Stall(b"HTTP/1.1 200 OK\r\ncontent-".to_vec()),
        ),
        ("half a body", Deed::Raw(half.clone())),
        ("half a body, then reset", Deed::Reset(half.clone())),
        ("half a body, then hangs", Deed::Stall(half)),
        (
            "all of a body, but less than promised",
            Deed::Raw(with("content-length: 4000\r\n", PAID)),
        ),
        (
            "more of a body than promised",
            Deed::Raw(with("content-length: 20\r\n", PAID)),
        ),
        (
            "two lengths",
            Deed::Raw(with("content-length: 41\r\ncontent-length: 20\r\n", PAID)),
        ),
        (
            "a length that is none",
            Deed::Raw(with("content-length: many\r\n", PAID)),
        ),
        (
            "no last chunk",
            Deed::Raw(with("transfer-encoding: chunked\r\n", &chunk)),
        ),
        (
            "no last chunk, then reset",
            Deed::Reset(with("transfer-encoding: chunked\r\n", &chunk)),
        ),
        (
            "a broken chunk",
            Deed::Raw(with("transfer-encoding: chunked\r\n", "zz\r\n{}\r\n0\r\n\r\n")),
        ),
        (
            "compressed unasked",
            Deed::Raw(with(
                "content-encoding: gzip\r\ncontent-length: 4\r\n",
                "\x1f\u{b}\x08\0",
            )),
        ),
        ("no HTTP", Deed::Raw(b"SSH-2.0-OpenSSH_9.9\r\n".to_vec())),
        ("garbage", Deed::Raw(vec![0xa5; 4096])),
        (
            "only an interim answer",
            Deed::Raw(b"HTTP/1.1 100 Continue\r\n\r\n".to_vec()),
        ),
        (
            "another protocol",
            Deed::Raw(
                b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n".to_vec(),
            ),
        ),
        (
            "endless head",
            Deed::Endless(
                b"HTTP/1.1 200 OK\r\n".to_vec(),
                [b"a: ".to_vec(), vec![b'x'; 1000], b"\r\n".to_vec()].concat(),
            ),
        ),
        ("endless body", Deed::Endless(head(""), vec![b' '; 10_000])),
        ("endless slow body", Deed::Endless(head(""), vec![b' '])),
        ("ten MiB", Deed::Answer(200, "", " ".repeat(10 * 1024 * 1024))),
        (
            "a little too long",
            Deed::Answer(200, "", format!("{}{PAID}", " ".repeat(64 * 1024))),
        ),
    ];
    for (what, deed) in deeds {
        let provider = Provider::doing([deed]).await;
        let result = submit(&provider.url()).await;
        assert!(
            matches!(result, Err(ProcessorError::Unknown { .. })),
            "{what}: {result:?}"
        );
        assert_eq!(provider.requests().len(), 1, "{what}");
    }
}

#[tokio::test]
async fn odd_but_whole_answers_are_read() {
    let chunked = format!(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{}\r\n",
        &PAID[..5]
    );
    let chunked = format!("{chunked}{:x}\r\n{}\r\n0\r\n\r\n", PAID.len() - 5, &PAID[5..]);
    let interim = [b"HTTP/1.1 100 Continue\r\n\r\n".to_vec(), encode(200, "", PAID)].concat();
    let to_the_end = format!("HTTP/1.0 200 OK\r\ncontent-type: text/plain\r\n\r\n{PAID}");
    let long = format!("{}{PAID}", " ".repeat(64 * 1024 - PAID.len()));
    for deed in [
        Deed::Raw(chunked.into()),
        Deed::Raw(interim),
        Deed::Raw(to_the_end.into()),
        answer(200, &long),
    ] {
        let provider = Provider::doing([deed]).await;
        assert_paid(&submit(&provider.url()).await);
    }
}

#[tokio::test]
async fn connections_are_reused_and_idle_ones_that_close_do_no_harm() {
    let provider = Provider::doing([
        answer(200, PAID),
        Deed::AnswerAndClose(200, PAID.to_owned()),
        answer(200, PAID),
        // A reset on a reused connection after the request was read: the client must not send the request again.
        Deed::Reset(vec![]),
        answer(200, PAID),
        Deed::Raw(vec![]),
    ])
    .await;
    let processor = processor(&provider.url());
    assert_paid(&submit_as(&processor, &build::instruction()).await);
    assert_paid(&submit_as(&processor, &build::instruction()).await);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_paid(&submit_as(&processor, &build::instruction()).await);
    assert_unknown(&submit_as(&processor, &build::instruction()).await);
    assert_paid(&submit_as(&processor, &build::instruction()).await);
    assert_unknown(&submit_as(&processor, &build::instruction()).await);
    let keys: Vec<String> = provider
        .requests()
        .iter()
        .map(|it| it.headers["idempotency-key"].clone())
        .collect();
    let distinct: HashSet<&String> = keys.iter().collect();
    assert_eq!((keys.len(), distinct.len()), (6, 6), "each was sent exactly once");
}

#[tokio::test]
async fn a_connection_closed_while_the_next_call_begins_never_pays_twice_nor_counts_as_unsent() {
    // A provider's idle timeout races with a call: the close is on its way while the request is written.
    for _ in 0..100 {
        let provider = Provider::start(|_| Deed::AnswerAndClose(200, PAID.to_owned())).await;
        let processor = processor(&provider.url());
        for _ in 0..3 {
            match submit_as(&processor, &build::instruction()).await {
                Ok(ProviderAnswer::Paid { .. }) | Err(ProcessorError::Unknown { .. }) => {}
                other => panic!("{other:?}"),
            }
        }
        let requests = provider.requests();
        let keys: HashSet<&String> = requests
            .iter()
            .map(|request| &request.headers["idempotency-key"])
            .collect();
        assert_eq!(keys.len(), requests.len(), "none was sent twice");
    }
}
