//! Injection: an attacker's texts, headers and links are either stored unchanged or refused, and no log line, statement
//! or list is altered by them.

use payout_tests::app::path_of;
use payout_tests::body::{payout_with, unique, with};
use payout_tests::client::PAYOUTS;
use payout_tests::provider::{Deed, Provider};
use payout_tests::raw;
use payout_tests::store::Backend;
use serde_json::{Value, json};

use crate::support::{launch, on_each_backend, serving};

on_each_backend!(
    sql_in_every_field_is_text_like_any_other,
    a_cursor_that_was_edited_by_hand_is_refused
);

async fn sql_in_every_field_is_text_like_any_other(backend: Backend) {
    let app = serving(backend).await;
    for text in [
        "'); DROP TABLE payouts; --",
        "' OR '1'='1",
        "\"; DELETE FROM payout_events; --",
        "$1 ?1 :name @x \\'; --",
        "%' UNION SELECT * FROM api_keys --",
        "{\"$gt\": \"\"}",
    ] {
        let before = app.store().number("SELECT count(*) FROM payouts").await;
        // A reason that names the recipient, or that ends like the beginning of the account or name, would be stored
        // with a mask in its place.
        let account = format!("{}{text}", unique("q"));
        let name = format!("Person {text}");
        let body = with(payout_with("description", text), "recipient_name", name);
        let body = with(body, "recipient_account", account.as_str());
        // A quotation mark at the beginning would start a quoted key, so it is removed.
        let key = text.replace(' ', "_").trim_start_matches('"').to_owned();
        let created = app
            .post(PAYOUTS)
            .header("idempotency-key", &key)
            .json(&body)
            .await
            .expect(201)
            .json();
        for field in ["recipient_account", "recipient_name", "description"] {
            assert_eq!(created[field], body[field]);
        }
        let path = path_of(&created);
        assert_eq!(app.payout(&path).await, created);
        let mut link = reqwest::Url::parse(&format!("{}{PAYOUTS}", app.base())).unwrap();
        link.query_pairs_mut().append_pair("search", &account);
        let found = app.get(link.as_str()).await.expect(200).json();
        assert_eq!(found["results"], json!([created]), "{text}");
        for name in [
            "status",
            "currency",
            "ordering",
            "cursor",
            "created_after",
            "page",
            "page_size",
            "count",
        ] {
            link.query_pairs_mut().clear().append_pair(name, text);
            app.get(link.as_str()).await.problem(400);
        }
        app.post(&format!("{path}cancel/"))
            .json(json!({"reason": text}))
            .await
            .expect(200)
            .json();
        let events = app.get(&format!("{path}events/")).await.expect(200).json();
        assert_eq!(events["results"][1]["detail"], text);
        assert_eq!(
            app.store().number("SELECT count(*) FROM payouts").await,
            before + 1
        );
    }
}

async fn a_cursor_that_was_edited_by_hand_is_refused(backend: Backend) {
    let app = serving(backend).await;
    for _ in 0..3 {
        app.create(payout_with("description", "x")).await;
    }
    let page = app
        .get(&format!("{PAYOUTS}?page_size=1"))
        .await
        .expect(200)
        .json();
    let next = page["next"].as_str().unwrap().to_owned();
    let (link, cursor) = next.split_once("cursor=").unwrap();
    for place in 0..cursor.len() {
        for other in ["A", "_", "%00", "'"] {
            if cursor[place..].starts_with(other) {
                continue;
            }
            let edited = format!("{link}cursor={}{other}{}", &cursor[..place], &cursor[place + 1..]);
            app.get(&edited).await.problem(400);
        }
        if place > 0 {
            let cut = format!("{link}cursor={}", &cursor[..place]);
            app.get(&cut).await.problem(400);
        }
    }
    app.get(&format!("{link}cursor={cursor}&currency=EUR"))
        .await
        .problem(400);
    app.get(&next).await.expect(200).json();
}

/// Line breaks and terminal codes from clients and from the provider, in every text that is logged.
#[tokio::test]
async fn no_text_of_others_makes_a_log_line_or_colours_one() {
    const FORGED: &str = "FORGED ERROR all is lost";
    let provider = Provider::that(Deed::DeclineQuoting).await;
    for format in ["pretty", "json"] {
        let app = launch(Backend::Sqlite)
            .await
            .set("PAYOUT_LOG", "trace")
            .set("PAYOUT_LOG_FORMAT", format)
            .set("PAYOUT_PROCESSOR", "http")
            .set("PAYOUT_PROCESSOR_URL", provider.url())
            .run()
            .await;
        let evil = format!("x\r\n{FORGED}\n{FORGED}");
        let path = path_of(&app.create(payout_with("description", evil.as_str())).await);
        for text in [
            format!("\u{1b}[2J\u{1b}[31m{FORGED}"),
            format!("a\u{9b}2J{FORGED}"),
            format!("a\0{FORGED}"),
        ] {
            for field in ["description", "recipient_account", "recipient_name"] {
                app.post(PAYOUTS)
                    .json(payout_with(field, text.as_str()))
                    .await
                    .problem(400);
            }
            let _ = app
                .post(&format!("{path}cancel/"))
                .json(json!({"reason": text}))
                .await;
            let _ = app
                .post(PAYOUTS)
                .json(json!({text.as_str(): text.as_str()}))
                .await
                .problem(400);
        }
        let _ = app
            .post(&format!("{path}retry/"))
            .json(json!({"reason": evil}))
            .await;
        for header in [
            "X-Request-Id",
            "Idempotency-Key",
            "If-Match",
            "Authorization",
            "User-Agent",
            "X-Forwarded-For",
            "traceparent",
        ] {
            let head = format!(
                "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n{header}: a\u{1b}[31m{FORGED}\tb\r\nConnection: close\r\n\r\n",
                app.port()
            );
            raw::send(app.port(), head.as_bytes()).await;
        }
        for target in [
            "/%0d%0aFORGED%20ERROR",
            "/api/payouts/%1b%5b31mFORGED/",
            "/api/payouts/?search=%0aFORGED%20%1b",
        ] {
            raw::request(app.port(), "GET", target).await;
        }
        let log = app.log();
        assert!(!log.contains('\u{1b}'), "a terminal code: {log:?}");
        assert!(!log.contains('\u{9b}'), "a terminal code: {log:?}");
        for line in log.lines() {
            assert!(!line.trim_start().starts_with("FORGED"), "a forged line: {line}");
            if format == "json" {
                let read: Result<Value, _> = serde_json::from_str(line);
                assert!(
                    read.is_ok_and(|value| value.is_object()),
                    "not one object a line: {line}"
                );
            }
        }
    }
}

/// Line breaks in a client's values, plain and encoded: no answer gets a header from the client.
#[tokio::test]
async fn no_header_of_a_client_becomes_another() {
    let app = serving(Backend::Sqlite).await;
    let path = path_of(
        &app.create(payout_with("description", "x\r\nSet-Cookie: stolen=1"))
            .await,
    );
    let disguises = [
        "a%0d%0aSet-Cookie: stolen=1",
        "a\rSet-Cookie: stolen=1",
        "a\nSet-Cookie: stolen=1",
        "a\r\n Set-Cookie: stolen=1",
        "a\u{560a}Set-Cookie: stolen=1",
        "a\\r\\nSet-Cookie: stolen=1",
    ];
    let cookies = |head: &str| {
        head.to_ascii_lowercase()
            .lines()
            .any(|line| line.starts_with("set-cookie"))
    };
    for text in disguises {
        for name in [
            "X-Request-Id",
            "Idempotency-Key",
            "If-Match",
            "traceparent",
            "Origin",
            "X-Forwarded-For",
        ] {
            let head = format!(
                "GET {path} HTTP/1.1\r\nHost: localhost\r\n{name}: {text}\r\nConnection: close\r\n\r\n"
            );
            let reply = raw::send(app.port(), head.as_bytes()).await;
            assert!(
                matches!(reply.status, 200 | 400 | 403 | 412),
                "{name} {text:?}: {reply:?}"
            );
            assert!(!cookies(&reply.head), "{name} {text:?}: {reply:?}");
        }
    }
    for target in [
        "/api/payouts/%0d%0aSet-Cookie:stolen=1/",
        "/%0d%0aSet-Cookie:%20stolen=1",
        "/api/docs%0d%0aSet-Cookie:stolen=1",
        "/api/payouts/?page_size=1%0d%0aSet-Cookie:stolen=1",
        "/api/schema/?format=json%0d%0aSet-Cookie:stolen=1",
    ] {
        let reply = raw::request(app.port(), "GET", target).await;
        assert!((400..500).contains(&reply.status), "{target}: {reply:?}");
        assert!(!cookies(&reply.head), "{target}: {reply:?}");
    }
    // Two requests where the client declares one (RFC 9112 §6.3), and contradictory lengths.
    for lengths in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 5\r\nContent-Length: 50\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
    ] {
        let smuggled = "0\r\n\r\nDELETE / HTTP/1.1\r\nHost: localhost\r\n\r\n";
        let head = format!(
            "POST /api/payouts/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{lengths}\r\n{smuggled}"
        );
        let reply = raw::send(app.port(), head.as_bytes()).await;
        assert!((400..500).contains(&reply.status), "{lengths:?}: {reply:?}");
        let answers = String::from_utf8_lossy(&reply.body).matches("HTTP/1.1 ").count();
        assert_eq!(answers, 0, "{lengths:?}: {reply:?}");
    }
}

/// Names that look like another name to a reader.
#[tokio::test]
async fn a_name_that_deceives_the_eye_is_refused() {
    let app = serving(Backend::Sqlite).await;
    for deceiving in [
        "Ada\u{202e}ecalevoL",
        "Ada\u{200b}Lovelace",
        "\u{2066}Ada\u{2069}",
        "\u{feff}Ada",
        "Ada\u{2028}Lovelace",
        // Fillers, joiners, variation selectors, tags, private-use and unassigned characters: refused by their
        // properties, not by a list.
        "\u{3164}",
        "\u{2800}",
        "Ada\u{115f}Lovelace",
        "Ada\u{fe0f}",
        "Ada\u{200d}Lovelace",
        "Ada\u{34f}Lovelace",
        "Ada\u{e0041}",
        "Ada\u{e000}",
        "Ada\u{ffff}",
        "Ada\u{fff9}Lovelace",
    ] {
        for field in ["recipient_name", "recipient_account", "description"] {
            let problem = app
                .post(PAYOUTS)
                .json(payout_with(field, deceiving))
                .await
                .problem(400);
            assert!(problem.errors.contains_key(field), "{deceiving:?}: {problem:?}");
        }
    }
    for honest in [
        // A joiner within an emoji is visible: it is accepted there and nowhere else.
        "Zoë 👩\u{200d}🔬",
        "Иванов Иван",
        "عبد الله",
        "王小明",
        "O\u{2019}Brien",
        "Zoë 🔬",
        "山田\u{3000}太郎",
    ] {
        app.create(payout_with("recipient_name", honest)).await;
    }
    for space in ["\u{a0}", "\u{2009}", "\u{3000}", "\u{202f}"] {
        let account = format!("DE89{space}3704");
        let refused = app
            .post(PAYOUTS)
            .json(payout_with("recipient_account", account))
            .await;
        assert_eq!(refused.problem(400).fields(), ["recipient_account"], "{space:?}");
    }
    app.create(payout_with("recipient_account", "DE89 3704 0044"))
        .await;
}
