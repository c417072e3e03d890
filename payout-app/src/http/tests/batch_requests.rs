//! The query, the headers and the form of a new batch: what is not meant as it is written stores nothing.

use super::*;

const CSV: &str =
    "amount,currency,recipient_account,recipient_name\n125.50,EUR,DE89370400440532013000,Ada Lovelace\n";
const NO_TIME: &str = "Use RFC 3339, such as 2026-11-24T09:30:00Z.";

async fn send(bench: &Bench, query: &str, content_type: &str, body: &str) -> Reply {
    let path = format!("/api/batches/{query}");
    bench
        .send(Method::POST, &path, &[("content-type", content_type)], body)
        .await
}

async fn stored(bench: &Bench) -> usize {
    let batches = bench.get("/api/batches/").await.json();
    batches["results"].as_array().unwrap().len()
}

/// Returns a form with the file and this text field.
fn form(name: &str, value: &str) -> String {
    format!(
        "--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n--b\r\n\
         Content-Disposition: form-data; name=\"file\"; filename=\"a\\\"b;c.csv\"\r\n\r\n{CSV}\r\n--b--\r\n"
    )
}

#[tokio::test]
async fn a_flag_that_is_given_is_true_or_false() {
    let bench = Bench::new();
    for flag in ["dry_run", "only_new"] {
        for given in ["", "=", "=1", "=TRUE", "=yes"] {
            let reply = send(&bench, &format!("?{flag}{given}"), "text/csv", CSV).await;
            let problem = reply.problem(400, "invalid-request");
            assert_eq!(
                problem["errors"],
                json!({flag: ["Use true or false."]}),
                "{flag}{given}"
            );
        }
    }
    assert_eq!(stored(&bench).await, 0);
    assert_eq!(send(&bench, "?dry_run=true", "text/csv", CSV).await.status, 200);
    assert_eq!(stored(&bench).await, 0);
    let reply = send(&bench, "?dry_run=false&only_new=false", "text/csv", CSV).await;
    assert_eq!(reply.status, 201, "{reply:?}");
}

#[tokio::test]
async fn an_empty_parameter_of_a_batch_is_refused_and_an_empty_filter_is_absent() {
    let bench = Bench::new();
    for name in ["external_id", "decimal", "scheduled_at"] {
        let reply = send(&bench, &format!("?{name}="), "text/csv", CSV).await;
        let problem = reply.problem(400, "invalid-request");
        assert!(problem["errors"][name].is_array(), "{problem}");
    }
    assert_eq!(stored(&bench).await, 0);
    let filters = "/api/payouts/?needs_review=&external_id=&created_after=&currency=";
    assert_eq!(bench.get(filters).await.status, 200);
    let may_be_empty = |method: &str, path: &str| -> Vec<bool> {
        let parameters = DOCUMENT["paths"][path][method]["parameters"].as_array().unwrap();
        let in_query = parameters.iter().filter(|parameter| parameter["in"] == "query");
        in_query
            .map(|parameter| parameter["allowEmptyValue"] == true)
            .collect()
    };
    assert_eq!(may_be_empty("post", "/api/batches/"), [false; 6]);
    assert!(may_be_empty("get", "/api/batches/").into_iter().all(|may| may));
}

#[tokio::test]
async fn the_schedule_of_a_batch_is_a_time_wherever_it_is_given() {
    let bench = Bench::new();
    let date = "2099-12-20";
    let in_query = send(&bench, &format!("?scheduled_at={date}"), "text/csv", CSV).await;
    let in_form = send(
        &bench,
        "",
        "multipart/form-data; boundary=b",
        &form("scheduled_at", date),
    )
    .await;
    let in_json = json!({"scheduled_at": date, "payouts": [new_payout()]}).to_string();
    let in_json = send(&bench, "", "application/json", &in_json).await;
    for reply in [in_query, in_form, in_json] {
        let problem = reply.problem(400, "invalid-request");
        assert_eq!(problem["errors"], json!({"scheduled_at": [NO_TIME]}));
    }
    let csv = CSV.replace("recipient_name\n", "recipient_name,scheduled_at\n");
    let csv = csv.replace("Lovelace\n", &format!("Lovelace,{date}\n"));
    let in_cell = send(&bench, "", "text/csv", &csv)
        .await
        .problem(400, "wrong-rows");
    assert_eq!(in_cell["rows"][0]["message"], NO_TIME);
    assert_eq!(stored(&bench).await, 0);
    let filtered = format!("/api/payouts/?scheduled_after={date}");
    assert_eq!(
        bench.get(&filtered).await.status,
        200,
        "a bound of a list may be a date"
    );
}

#[tokio::test]
async fn parameters_of_files_are_refused_beside_json() {
    let bench = Bench::new();
    let body = json!({"payouts": [new_payout()]}).to_string();
    for (parameter, value) in [
        ("decimal", "comma"),
        ("external_id", "x"),
        ("description", "x"),
        ("scheduled_at", "2026-12-20T09:00:00Z"),
    ] {
        let reply = send(
            &bench,
            &format!("?{parameter}={value}"),
            "application/json",
            &body,
        )
        .await;
        let problem = reply.problem(400, "invalid-request");
        let message = problem["errors"][parameter][0].as_str().unwrap();
        assert!(message.contains("is for files"), "{message}");
    }
    // Generated clients send the defaults.
    let defaults = "?decimal=point&dry_run=false&only_new=false";
    assert_eq!(stored(&bench).await, 0);
    let reply = send(&bench, defaults, "application/json", &body).await;
    assert_eq!(reply.status, 201, "{reply:?}");
}

#[tokio::test]
async fn a_form_is_a_batch_whatever_the_name_of_its_file() {
    let bench = Bench::new();
    let content_type = "multipart/form-data; boundary=b";
    let reply = send(&bench, "", content_type, &form("external_id", "form")).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    for name in ["dry_run", "only_new", "colour"] {
        let unknown = send(&bench, "", content_type, &form(name, "")).await;
        let problem = unknown.problem(400, "invalid-request");
        assert_eq!(problem["errors"], json!({name: ["Unknown field."]}));
    }
    assert_eq!(stored(&bench).await, 1);
    let reply = send(&bench, "", content_type, &form("description", "")).await;
    assert_eq!(reply.status, 201, "a field that was left empty: {reply:?}");
    let cut = form("external_id", "cut").replace("--b--", "--");
    let problem = send(&bench, "", content_type, &cut)
        .await
        .problem(400, "malformed-body");
    assert_eq!(problem["title"], "The body cannot be read.");
}

#[tokio::test]
async fn json_with_very_many_payouts_is_refused() {
    let bench = Bench::new();
    let body = format!("{{\"payouts\":[{}1]}}", "1,".repeat(1_000_000));
    let reply = send(&bench, "", "application/json", &body).await;
    let problem = reply.problem(400, "invalid-request");
    let message = "JSON may have 10,000 payouts; a file may have 100,000.";
    assert_eq!(problem["errors"], json!({"payouts": [message]}));
}

#[tokio::test]
async fn an_idempotency_key_is_refused_where_none_is_kept() {
    let bench = Bench::new();
    let webhook_rotation = "/api/webhooks/019ac4a5-0000-7000-8000-000000000001/rotate/";
    let cancel = "/api/payouts/019ac4a5-0000-7000-8000-000000000001/cancel/";
    let batch_retry = "/api/batches/019ac4a5-0000-7000-8000-000000000001/retry/";
    let nothing = json!({});
    let batch = json!({"payouts": [new_payout()]});
    let recipient = json!({"recipient": {"type": "account", "account": "A", "name": "N"}});
    let key = json!({"name": "new", "scopes": ["read"]});
    let webhook = json!({"url": "https://shop.example/hooks"});
    let header = [("idempotency-key", "order-7")];
    for (path, body, instead) in [
        ("/api/batches/", &batch, "external_id"),
        ("/api/recipients/", &recipient, "external_id"),
        ("/api/keys/", &key, "omit this header"),
        ("/api/webhooks/", &webhook, "omit this header"),
        ("/api/keys/nobody/rotate/", &nothing, "omit this header"),
        (webhook_rotation, &nothing, "omit this header"),
        (cancel, &nothing, "omit this header"),
        (batch_retry, &nothing, "omit this header"),
    ] {
        let reply = bench.write(Method::POST, path, &header, body).await;
        let problem = reply.problem(400, "invalid-request");
        let message = problem["errors"]["Idempotency-Key"][0].as_str().unwrap();
        assert!(message.contains(instead), "{path}: {message}");
    }
    assert_eq!(stored(&bench).await, 0);
    for list in ["/api/recipients/", "/api/keys/", "/api/webhooks/"] {
        assert_eq!(bench.get(list).await.json()["results"], json!([]), "{list}");
    }
}
