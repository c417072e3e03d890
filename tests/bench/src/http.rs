//! A load on any server with this API, on any host.

use std::net::ToSocketAddrs;
use std::time::Duration;

use serde_json::Value;

use crate::creates::create;
use crate::load::{Make, Target, closed, once, open};
use crate::run::say;
use crate::settings::Http;
use crate::{Outcome, load};

/// The share of a server's measured throughput at which latencies are measured.
const SHARE_OF_THE_MOST: f64 = 0.5;
const IDS: u64 = 1_000;

pub(crate) async fn measure(arguments: &Http) -> Outcome<String> {
    let target = target(&arguments.url, arguments.key.clone())?;
    let duration = Duration::from_secs(arguments.seconds.max(1));
    let ids = created_ids(&target).await?;
    let by_id: Make = {
        let target = target.clone();
        load::make(move |number| {
            let place = usize::try_from(number)? % ids.len();
            target.get(&format!("/api/payouts/{}/", ids[place]))
        })
    };
    let list: Make = {
        let target = target.clone();
        load::make(move |_| target.get("/api/payouts/"))
    };
    let mut text = String::from(
        "| request | connections | a second | failed | p50 ms | p99 ms | p99.9 ms | at a second |\n|---|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    for (name, make) in [
        ("create", create(&target)),
        ("read by id", by_id),
        ("first list page", list),
    ] {
        for connections in &arguments.connections {
            say(&format!("{name}, {connections} connections"));
            let rate = closed(&target, *connections, duration, &make).await?;
            let per_second = (rate.per_second * SHARE_OF_THE_MOST).max(1.0);
            let took = open(&target, *connections, per_second, duration, &make).await?;
            let ms = |quantile| took.value_at_quantile(quantile) as f64 / 1000.0;
            let line = format!(
                "| {name} | {connections} | {:.0} | {} | {:.2} | {:.2} | {:.2} | {per_second:.0} |\n",
                rate.per_second,
                rate.failed,
                ms(0.5),
                ms(0.99),
                ms(0.999)
            );
            text.push_str(&line);
        }
    }
    Ok(text)
}

fn target(url: &str, key: Option<String>) -> Outcome<Target> {
    let host = url.trim_end_matches('/').strip_prefix("http://");
    let host = host
        .filter(|host| !host.contains('/'))
        .ok_or("use http://host:port")?;
    let with_port = if host.rsplit(']').next().unwrap_or(host).contains(':') {
        host.to_owned()
    } else {
        format!("{host}:80")
    };
    let address = with_port
        .to_socket_addrs()?
        .next()
        .ok_or_else(|| format!("{host} has no address"))?;
    Ok(Target {
        address,
        host: host.to_owned(),
        key,
    })
}

/// Creates payouts to read.
async fn created_ids(target: &Target) -> Outcome<Vec<String>> {
    let make = create(target);
    let mut ids = Vec::new();
    for number in 0..IDS {
        let (status, body) = once(target, make(number)?).await?;
        if !status.is_success() {
            return Err(format!(
                "a create was answered {status}: {}",
                String::from_utf8_lossy(&body)
            )
            .into());
        }
        // Ids may be numbers too: other services count their payouts.
        let id = serde_json::from_slice::<Value>(&body)?["id"].clone();
        ids.push(id.as_str().map_or_else(|| id.to_string(), str::to_owned));
    }
    Ok(ids)
}
