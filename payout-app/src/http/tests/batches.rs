//! Batches over HTTP: lists, files and forms; whole or not at all; recognized when they are sent again.

use payout_core::contract::build;

use super::*;

const CSV: &str = "amount,currency,recipient_account,recipient_name,external_id\n\
    125.50,EUR,DE89370400440532013000,Ada Lovelace,a-1\n\
    99.00,EUR,ACC-2,Bob Stone,a-2\n\
    700,JPY,ACC-3,Eve Moss,a-3\n";

async fn send_csv(bench: &Bench, query: &str, csv: &str) -> Reply {
    let path = format!("/api/batches/{query}");
    bench
        .send(Method::POST, &path, &[("content-type", "text/csv")], csv)
        .await
}

async fn listed(bench: &Bench) -> usize {
    let reply = bench.get("/api/payouts/?page_size=200").await.json();
    reply["results"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_file_is_stored_and_followed() {
    let bench = Bench::new();
    let reply = send_csv(&bench, "?external_id=salaries&description=November", CSV).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    let body = reply.json();
    assert_eq!(body["batch"]["external_id"], "salaries");
    assert_eq!(body["batch"]["payouts"], 3);
    let totals = json!([
        {"currency": "EUR", "count": 2, "sum": "224.50"},
        {"currency": "JPY", "count": 1, "sum": "700"},
    ]);
    assert_eq!(body["report"]["totals"], totals);
    let path = reply.header("location").to_owned();
    let batch = bench.get(&path).await.json();
    assert_eq!(batch["batch"]["description"], "November");
    assert_eq!(
        (&batch["percent"], &batch["finished_at"]),
        (&json!(0), &Value::Null)
    );
    assert_eq!(batch["totals"][0]["status"], "pending");
    let page = bench.get(&format!("{path}payouts/?page_size=2")).await.json();
    let names = |page: &Value| -> Vec<String> {
        let results = page["results"].as_array().unwrap().iter();
        results
            .map(|payout| payout["external_id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(&page), ["a-1", "a-2"]);
    assert_eq!(page["results"][0]["batch_id"], batch["batch"]["id"]);
    let next = page["next"].as_str().unwrap().to_owned();
    let next = bench
        .get(next.trim_start_matches("http://payouts.test"))
        .await
        .json();
    assert_eq!(
        (names(&next), &next["next"]),
        (vec!["a-3".to_owned()], &Value::Null)
    );
    let list = bench.get("/api/batches/").await.json();
    assert_eq!(list["results"][0], batch["batch"]);
    assert_eq!(list["next"], Value::Null);
}

#[tokio::test]
async fn a_batch_that_is_sent_again_is_answered_and_stored_once() {
    let bench = Bench::new();
    let first = send_csv(&bench, "", CSV).await;
    assert_eq!(first.status, 201, "{first:?}");
    let other_form = CSV.replace(',', ";").replace('\n', "\r\n");
    for again in [CSV, other_form.as_str()] {
        let reply = send_csv(&bench, "", again).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(reply.header("idempotent-replayed"), "true");
        assert_eq!(reply.json()["batch"], first.json()["batch"]);
    }
    assert_eq!(listed(&bench).await, 3);
    let dry = send_csv(&bench, "?dry_run=true", CSV).await;
    assert_eq!((dry.status, dry.header("idempotent-replayed")), (200, "true"));
}

#[tokio::test]
async fn an_external_id_is_one_batch() {
    let bench = Bench::new();
    let csv = |amount: &str| format!("amount,currency,recipient_account,recipient_name\n{amount},EUR,A,N\n");
    assert_eq!(send_csv(&bench, "?external_id=a", &csv("1")).await.status, 201);
    let other = send_csv(&bench, "?external_id=a", &csv("2")).await;
    other.problem(409, "batch-exists");
    assert_eq!(
        send_csv(&bench, "?external_id=b", &csv("1")).await.status,
        201,
        "paid once more"
    );
    assert_eq!(listed(&bench).await, 2);
}

#[tokio::test]
async fn nothing_is_stored_unless_every_row_is_right() {
    let bench = Bench::new();
    let csv = format!("{CSV}0,EUR,ACC-4,Dan,a-4\n1,EUR,ACC-5,Fay,a-1\n1,XXX,,Gus,\n");
    let reply = send_csv(&bench, "", &csv).await;
    reply.problem(400, "wrong-rows");
    let body = reply.json();
    assert_eq!(body["wrong_rows"], 3);
    let rows: Vec<(u64, &str)> = body["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["row"].as_u64().unwrap(), row["column"].as_str().unwrap()))
        .collect();
    assert_eq!(
        rows,
        [
            (5, "amount"),
            (7, "currency"),
            (7, "recipient_account"),
            (6, "external_id")
        ]
    );
    assert_eq!(listed(&bench).await, 0);
    let headers = [("content-type", "text/csv"), ("accept", "text/csv")];
    let reply = bench.send(Method::POST, "/api/batches/", &headers, &csv).await;
    assert_eq!(
        (reply.status, reply.header("content-type")),
        (400, "text/csv; charset=utf-8")
    );
    assert!(
        reply.text.starts_with("row,column,message\r\n5,\"amount\","),
        "{}",
        reply.text
    );
}

#[tokio::test]
async fn a_dry_run_tells_what_would_be_and_stores_nothing() {
    let bench = Bench::new();
    let reply = send_csv(&bench, "?dry_run=true", CSV).await;
    assert_eq!(reply.status, 200);
    let body = reply.json();
    assert_eq!(
        (&body["batch"], &body["report"]["payouts"]),
        (&Value::Null, &json!(3))
    );
    assert_eq!(listed(&bench).await, 0);
    assert_eq!(bench.get("/api/batches/").await.json()["results"], json!([]));
}

#[tokio::test]
async fn only_new_rows_are_stored_if_that_is_asked_for() {
    let bench = Bench::new();
    send_csv(&bench, "", CSV).await;
    let more = format!("{CSV}5,EUR,ACC-4,Dan,a-4\n");
    let reply = send_csv(&bench, "", &more).await;
    reply.problem(400, "wrong-rows");
    assert_eq!(reply.json()["wrong_rows"], 3);
    let reply = send_csv(&bench, "?only_new=true", &more).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    let body = reply.json();
    assert_eq!(
        (&body["batch"]["payouts"], &body["batch"]["left_out"]),
        (&json!(1), &json!(3))
    );
    assert_eq!(body["report"]["left_out_rows"], json!([2, 3, 4]));
    assert_eq!(listed(&bench).await, 4);
    let changed = more.replace("99.00", "98.00");
    let reply = send_csv(&bench, "?only_new=true", &changed).await;
    reply.problem(400, "wrong-rows");
    assert!(
        reply.json()["rows"][0]["message"]
            .as_str()
            .unwrap()
            .contains("something else")
    );
    let nothing = CSV
        .replace("currency", "Currency")
        .replace("Ada Lovelace", "\"Ada Lovelace\"");
    let shorter = nothing.lines().take(2).collect::<Vec<_>>().join("\n");
    let reply = send_csv(&bench, "?only_new=true", &shorter).await;
    assert_eq!(
        (reply.status, &reply.json()["batch"]),
        (200, &Value::Null),
        "{reply:?}"
    );
}

#[tokio::test]
async fn no_row_is_left_out_whose_schedule_differs() {
    let bench = Bench::new();
    let row = |scheduled_at: &str| {
        format!(
            "amount,currency,recipient_account,recipient_name,external_id,scheduled_at\n\
             1,EUR,ACC-1,Ada,s-1,{scheduled_at}\n"
        )
    };
    let (noon, evening) = ("2026-12-20T12:00:00Z", "2026-12-20T18:00:00Z");
    assert_eq!(send_csv(&bench, "", &row(noon)).await.status, 201);
    for same in [noon, "2026-12-20T13:00:00+01:00"] {
        let reply = send_csv(&bench, "?only_new=true&external_id=again", &row(same)).await;
        assert_eq!(
            (reply.status, &reply.json()["report"]["left_out"]),
            (200, &json!(1)),
            "{reply:?}"
        );
    }
    let of_batch = format!("?only_new=true&scheduled_at={noon}");
    let reply = send_csv(&bench, &of_batch, &row("")).await;
    assert_eq!(reply.status, 200, "the batch has the same schedule: {reply:?}");
    let of_evening = format!("?only_new=true&scheduled_at={evening}");
    for (query, csv) in [
        ("?only_new=true", row(evening)),
        ("?only_new=true", row("")),
        ("?only_new=true&dry_run=true", row(evening)),
        (of_evening.as_str(), row("")),
    ] {
        let reply = send_csv(&bench, query, &csv).await;
        reply.problem(400, "wrong-rows");
        let message = reply.json()["rows"][0]["message"].to_string();
        assert!(message.contains("scheduled_at differs"), "{query}: {message}");
    }

    let unscheduled = row("").replace("s-1", "s-2");
    assert_eq!(send_csv(&bench, "", &unscheduled).await.status, 201);
    let given = row(noon).replace("s-1", "s-2");
    send_csv(&bench, "?only_new=true", &given)
        .await
        .problem(400, "wrong-rows");
    let reply = send_csv(&bench, "?only_new=true&external_id=again", &unscheduled).await;
    assert_eq!(
        (reply.status, &reply.json()["report"]["left_out"]),
        (200, &json!(1)),
        "{reply:?}"
    );
}

/// The number of wrong guesses that a key has in a minute.
const GUESSES: usize = 30;

/// A query, the kind of problem and the status for a wrong guess, and the batch that guesses an account.
type Guess<'a> = (&'static str, &'static str, &'a dyn Fn(&str) -> Value, u16);

#[tokio::test]
async fn without_reveal_guesses_at_a_stored_batch_are_limited_and_beyond_that_none_is_told() {
    let row = |account: &str| json!({"amount": "1", "currency": "EUR", "recipient_account": account, "recipient_name": "N"});
    let known = |account: &str| json!({"external_id": "known", "payouts": [row(account)]});
    let nameless = |account: &str| json!({"payouts": [row(account)]});
    let with_rows = |account: &str| {
        let mut row = row(account);
        row["external_id"] = json!("row-1");
        json!({ "payouts": [row] })
    };
    let all: [Guess<'_>; 5] = [
        ("?dry_run=true", "batch-exists", &known, 409),
        ("", "batch-exists", &known, 409),
        ("?dry_run=true", "", &nameless, 200),
        ("?only_new=true", "wrong-rows", &with_rows, 400),
        ("?dry_run=true&only_new=true", "wrong-rows", &with_rows, 400),
    ];
    for (query, kind, batch, wrong) in all {
        let bench = Bench::new();
        let full = bench.key("full", Scope::ALL.iter().copied()).await;
        let path = format!("/api/batches/{query}");
        let ask = async |key: &Token, account: &str| {
            let body = batch(account).to_string();
            bench.ask_with(key, Method::POST, &path, &body).await
        };
        let stored = bench
            .ask_with(&full, Method::POST, "/api/batches/", &batch("RIGHT").to_string())
            .await;
        assert_eq!(stored.status, 201, "{stored:?}");
        for (name, scopes) in [
            ("clerk", vec![Scope::Read, Scope::Write]),
            ("revealing", vec![Scope::Write, Scope::Reveal]),
        ] {
            let key = bench.key(name, scopes).await;
            let mut told = 0;
            let refused = loop {
                let reply = ask(&key, &format!("WRONG-{told}")).await;
                if reply.status == 429 || told > 2 * GUESSES {
                    break reply;
                }
                assert_eq!(reply.status, wrong, "{query} {told}: {reply:?}");
                if wrong != 200 {
                    reply.problem(wrong, kind);
                }
                told += 1;
            };
            assert!(told >= GUESSES, "{query}: {told}");
            for reply in [refused, ask(&key, "RIGHT").await] {
                reply.problem(429, "too-many-requests");
                assert!(reply.headers.contains_key("retry-after"));
            }
        }
        // A key that sees recipients has nothing to guess, and a batch that is new is stored.
        for _ in 0..=GUESSES {
            assert_eq!(ask(&full, "WRONG").await.status, wrong);
        }
        let clerk = bench.key("another", [Scope::Write]).await;
        let new = json!({"payouts": [row("NEW")]}).to_string();
        let reply = bench.ask_with(&clerk, Method::POST, "/api/batches/", &new).await;
        assert_eq!(reply.status, 201, "{reply:?}");
    }
}

#[tokio::test]
async fn a_list_in_json_names_wrong_payouts_by_their_place() {
    let bench = Bench::new();
    let payout = |amount: &str| json!({"amount": amount, "currency": "EUR", "recipient_account": "A", "recipient_name": "N"});
    let body = json!({"external_id": "j", "payouts": [payout("1"), payout("2")]});
    let reply = bench.write(Method::POST, "/api/batches/", &[], &body).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    let body = json!({"payouts": [payout("1"), payout("0"), 7, {"amount": "1"}]});
    let reply = bench.write(Method::POST, "/api/batches/", &[], &body).await;
    reply.problem(400, "wrong-rows");
    let places: Vec<u64> = reply.json()["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["row"].as_u64().unwrap())
        .collect();
    assert_eq!(places, [2, 3, 4, 4, 4]);
    for (body, field) in [
        (json!({"payouts": []}), "payouts"),
        (json!({"payouts": 1}), "payouts"),
    ] {
        let reply = bench.write(Method::POST, "/api/batches/", &[], &body).await;
        reply.problem(400, "invalid-request");
        assert!(reply.json()["errors"][field].is_array());
    }
    let reply = bench
        .write(
            Method::POST,
            "/api/batches/?external_id=x",
            &[],
            &json!({"payouts": [payout("1")]}),
        )
        .await;
    reply.problem(400, "invalid-request");
}

#[tokio::test]
async fn a_form_of_a_browser_is_a_batch() {
    let bench = Bench::new();
    let form = format!(
        "--b\r\nContent-Disposition: form-data; name=\"external_id\"\r\n\r\nform\r\n--b\r\n\
         Content-Disposition: form-data; name=\"description\"\r\n\r\n\r\n--b\r\n\
         Content-Disposition: form-data; name=\"file\"; filename=\"s.csv\"\r\nContent-Type: text/csv\r\n\r\n{CSV}\r\n--b--\r\n"
    );
    let headers = [("content-type", "multipart/form-data; boundary=b")];
    let reply = bench.send(Method::POST, "/api/batches/", &headers, &form).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    assert_eq!(reply.json()["batch"]["external_id"], "form");
    let cut = &form[..form.len() - 40];
    let reply = bench.send(Method::POST, "/api/batches/", &headers, cut).await;
    reply.problem(400, "malformed-body");
    let unknown = form.replace("description", "descripton");
    let reply = bench
        .send(
            Method::POST,
            "/api/batches/",
            &headers,
            &unknown.replace("\r\n\r\n\r\n", "\r\n\r\nx\r\n"),
        )
        .await;
    reply.problem(400, "invalid-request");
}

#[tokio::test]
async fn a_file_of_another_kind_is_refused_as_what_it_is() {
    let bench = Bench::new();
    let reply = send_csv(&bench, "", "PK\u{3}\u{4}xl/workbook.xml").await;
    reply.problem(400, "unreadable-file");
    assert!(reply.text.contains("save the sheet as CSV"), "{}", reply.text);
    let reply = send_csv(&bench, "", "amount,currency\n1,EUR\n").await;
    reply.problem(400, "unreadable-file");
    assert_eq!(reply.json()["rows"][0]["column"], "recipient_account");
    for content_type in [
        "text/plain",
        "application/octet-stream",
        "multipart/mixed; boundary=b",
    ] {
        let reply = bench
            .send(
                Method::POST,
                "/api/batches/",
                &[("content-type", content_type)],
                CSV,
            )
            .await;
        reply.problem(415, "unsupported-media-type");
    }
}

#[tokio::test]
async fn a_batch_is_cancelled_and_says_what_was_too_late() {
    let bench = Bench::new();
    let reply = send_csv(&bench, "", CSV).await;
    let path = reply.header("location").to_owned();
    let claimed = bench
        .repository
        .claim(&build::sweep(1, build::LONG_LEASE))
        .await
        .unwrap();
    assert_eq!(claimed.won.len(), 1);
    let reply = bench
        .write(
            Method::POST,
            &format!("{path}cancel/"),
            &[],
            &json!({"reason": "wrong file"}),
        )
        .await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let body = reply.json();
    assert_eq!((&body["cancelled"], &body["too_late"]), (&json!(2), &json!(1)));
    assert_eq!(body["progress"]["percent"], 66);
    let reply = bench.send(Method::POST, &format!("{path}retry/"), &[], "").await;
    assert_eq!(reply.status, 202, "{reply:?}");
    assert_eq!(reply.json()["retried"], 0, "what was cancelled stays so");
}

#[tokio::test]
async fn each_step_needs_its_scope() {
    let bench = Bench::new();
    let key = async |scope: Scope| bench.key(scope.as_str(), [scope]).await;
    let (read, write, operate) = (
        key(Scope::Read).await,
        key(Scope::Write).await,
        key(Scope::Operate).await,
    );
    let body = json!({"payouts": [new_payout()]}).to_string();
    for (token, status) in [(&read, 403), (&operate, 403), (&write, 201)] {
        let reply = bench.ask_with(token, Method::POST, "/api/batches/", &body).await;
        assert_eq!(reply.status, status, "{reply:?}");
    }
    let list = bench
        .ask_with(&read, Method::GET, "/api/batches/", "")
        .await
        .json();
    let path = format!("/api/batches/{}/", list["results"][0]["id"].as_str().unwrap());
    assert_eq!(bench.ask_with(&write, Method::GET, &path, "").await.status, 403);
    for step in ["cancel/", "retry/"] {
        let path = format!("{path}{step}");
        assert_eq!(bench.ask_with(&write, Method::POST, &path, "").await.status, 403);
        let reply = bench.ask_with(&operate, Method::POST, &path, "").await;
        assert!(reply.status < 300, "{reply:?}");
        assert_eq!(reply.json()["progress"], Value::Null, "without the scope read");
    }
}

#[tokio::test]
async fn a_batch_that_does_not_exist_is_not_found() {
    let bench = Bench::new();
    let path = "/api/batches/019ac4a5-0000-7000-8000-000000000001/";
    for (method, path) in [
        (Method::GET, path.to_owned()),
        (Method::GET, format!("{path}payouts/")),
        (Method::POST, format!("{path}cancel/")),
        (Method::POST, format!("{path}retry/")),
    ] {
        bench.send(method, &path, &[], "").await.problem(404, "not-found");
    }
}
