//! Receivers of webhooks: each verifies and records what it gets, and misbehaves in its own way, as the seed says.

use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::io::{AsyncWriteExt as _, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::Outcome;
use crate::api::{Api, Call};
use crate::backing::free_port;
use crate::chance::Chance;
use crate::clock;
use crate::http::{self, Request};

/// The path of the endpoints.
const WEBHOOKS: &str = "/api/webhooks/";
/// The path that redirects lead to. Nobody may follow them.
const TRAP: &str = "/trap";
/// The number of deliveries that a receiver accepts before it is gone.
const GONE_AFTER: usize = 40;

/// The way in which a receiver misbehaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Profile {
    /// It always accepts.
    Well,
    /// Now and then it fails, redirects, throttles, or hangs up after it has accepted.
    Moody,
    /// Now and then it never answers.
    Hanging,
    /// For a while at a time, it refuses connections.
    Away,
    /// It answers 410 from some time on.
    Gone,
}

/// The receivers of a drill: a name, a fault profile, and the types of events, all if none is named.
const RECEIVERS: [(&str, Profile, &[&str]); 6] = [
    ("well", Profile::Well, &[]),
    (
        "some",
        Profile::Well,
        &["payout.completed", "payout.failed", "payout.returned"],
    ),
    ("moody", Profile::Moody, &[]),
    ("hanging", Profile::Hanging, &[]),
    ("away", Profile::Away, &[]),
    ("gone", Profile::Gone, &[]),
];

/// The answer to a delivery.
#[derive(Debug, Clone, Copy)]
enum Reply {
    Accept,
    /// Accepts, and hangs up before the answer.
    AcceptSilently,
    Status(u16),
    Redirect,
    Throttle,
    Garble,
    Hang,
}

/// The deliveries of a receiver.
#[derive(Debug, Default)]
struct Heard {
    /// The ids of accepted events, each at its first acceptance.
    accepted: Vec<String>,
    known: HashSet<String>,
    /// The number of tries of each event.
    tries: HashMap<String, u32>,
    repeated: u64,
    refused: u64,
    /// Descriptions of deliveries that nobody may have sent.
    wrong: Vec<String>,
    /// The number of deliveries that it answered with 410.
    gone: u64,
}

struct Shared {
    name: &'static str,
    profile: Profile,
    seed: u64,
    /// The address of redirects.
    trap: String,
    calm: AtomicBool,
    secret: watch::Sender<Option<Vec<u8>>>,
    heard: Mutex<Heard>,
}

/// A receiver.
pub(crate) struct Receiver {
    shared: Arc<Shared>,
    types: &'static [&'static str],
    port: u16,
    open: watch::Sender<bool>,
    /// The id of its endpoint.
    id: Mutex<String>,
}

/// The deliveries of a receiver, for the judge.
#[derive(Debug, Clone, Default)]
pub(crate) struct Received {
    pub(crate) name: String,
    pub(crate) types: Vec<String>,
    /// The ids of accepted events, each at its first acceptance.
    pub(crate) accepted: Vec<String>,
    /// The number of deliveries of an event that was accepted already.
    pub(crate) repeated: u64,
    /// The number of deliveries that were not accepted.
    pub(crate) refused: u64,
    pub(crate) wrong: Vec<String>,
    /// True if it answered 410.
    pub(crate) is_gone: bool,
    /// True if its endpoint is disabled.
    pub(crate) is_disabled: bool,
}

impl Received {
    /// Returns whether its endpoint asks for events of this type.
    pub(crate) fn wants(&self, event_type: &str) -> bool {
        self.types.is_empty() || self.types.iter().any(|one| one == event_type)
    }
}

/// All receivers.
pub(crate) struct Receivers(Vec<Arc<Receiver>>);

impl Receivers {
    /// Starts all receivers, which know no secret yet.
    pub(crate) async fn start(seed: u64) -> Outcome<Self> {
        let mut all = Vec::new();
        for (name, profile, types) in RECEIVERS {
            let port = free_port()?;
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
            let shared = Arc::new(Shared {
                name,
                profile,
                seed,
                trap: format!("http://127.0.0.1:{port}{TRAP}"),
                calm: AtomicBool::new(false),
                secret: watch::Sender::new(None),
                heard: Mutex::default(),
            });
            let (open, opened) = watch::channel(true);
            let serving = shared.clone();
            tokio::spawn(http::listen(listener, opened, move |stream| {
                serve(stream, serving.clone())
            }));
            all.push(Arc::new(Receiver {
                shared,
                types,
                port,
                open,
                id: Mutex::default(),
            }));
        }
        Ok(Self(all))
    }

    /// Makes an endpoint for each receiver.
    pub(crate) async fn subscribe(&self, api: &Api) -> Outcome<()> {
        let until = clock::instant() + Duration::from_secs(30);
        for receiver in &self.0 {
            let body = json!({
                "url": format!("http://127.0.0.1:{}/hooks/{}", receiver.port, receiver.shared.name),
                "types": receiver.types,
                "description": format!("the drill's receiver: {}", receiver.shared.name),
            });
            let answer = api
                .ask(&Call::new(Method::POST, WEBHOOKS).body(body), until)
                .await?;
            let secret = answer.body["secret"].as_str().and_then(|secret| {
                let secret = secret.strip_prefix("whsec_")?;
                STANDARD.decode(secret).ok()
            });
            let (Some(secret), Some(id)) = (secret, answer.body["webhook"]["id"].as_str()) else {
                return Err(format!("no endpoint was made: {}", answer.body).into());
            };
            id.clone_into(&mut receiver.id.lock().unwrap_or_else(PoisonError::into_inner));
            receiver.shared.secret.send_replace(Some(secret));
        }
        Ok(())
    }

    /// Lets the receivers that are away for a while at a time come and go, until they must be calm.
    pub(crate) async fn come_and_go(&self) {
        let comers = self
            .0
            .iter()
            .filter(|receiver| receiver.shared.profile == Profile::Away);
        for receiver in comers {
            let receiver = receiver.clone();
            tokio::spawn(async move {
                let mut chance = Chance::of(receiver.shared.seed, "receivers/away");
                while !receiver.shared.is_calm() {
                    sleep(Duration::from_millis(chance.between(2_000, 8_000))).await;
                    receiver.open.send_replace(receiver.shared.is_calm());
                    sleep(Duration::from_millis(chance.between(500, 4_000))).await;
                    receiver.open.send_replace(true);
                }
            });
        }
    }

    /// Makes all receivers accept from now on, except those that are gone.
    pub(crate) fn calm_down(&self) {
        for receiver in &self.0 {
            receiver.shared.calm.store(true, Ordering::Relaxed);
            receiver.open.send_replace(true);
        }
    }

    /// Waits until every endpoint that is not disabled has every event of the feed that it asks for. Meanwhile an
    /// operator makes due at once what waits for its next try. Returns the events of the feed.
    pub(crate) async fn settle(&self, api: &Api, deadline: Instant) -> Outcome<Vec<FeedEvent>> {
        loop {
            let feed = read_feed(api, deadline + Duration::from_secs(30)).await?;
            let received = self.received(api).await?;
            let owed = |one: &&Received| {
                let known: HashSet<&str> = one.accepted.iter().map(String::as_str).collect();
                let mut wanted = feed.iter().filter(|event| one.wants(&event.event_type));
                !one.is_disabled && wanted.any(|event| !known.contains(event.id.as_str()))
            };
            let behind: Vec<&str> = received
                .iter()
                .filter(owed)
                .map(|one| one.name.as_str())
                .collect();
            if behind.is_empty() || clock::instant() > deadline {
                return Ok(feed);
            }
            for receiver in self.0.iter().filter(|one| behind.contains(&one.shared.name)) {
                receiver.hasten(api, deadline).await;
            }
            sleep(Duration::from_millis(500)).await;
        }
    }

    /// Returns what each receiver got, and the state of its endpoint.
    pub(crate) async fn received(&self, api: &Api) -> Outcome<Vec<Received>> {
        let until = clock::instant() + Duration::from_secs(30);
        let listed = api.ask(&Call::new(Method::GET, WEBHOOKS), until).await?.body;
        let is_disabled = |id: &str| {
            let mut endpoints = listed["results"].as_array().into_iter().flatten();
            endpoints.any(|endpoint| endpoint["id"] == id && endpoint["state"] == "disabled")
        };
        Ok(self
            .0
            .iter()
            .map(|receiver| {
                let heard = receiver.shared.heard();
                Received {
                    name: receiver.shared.name.to_owned(),
                    types: receiver.types.iter().map(|&one| one.to_owned()).collect(),
                    accepted: heard.accepted.clone(),
                    repeated: heard.repeated,
                    refused: heard.refused,
                    wrong: heard.wrong.clone(),
                    is_gone: heard.gone > 0,
                    is_disabled: is_disabled(&receiver.id()),
                }
            })
            .collect())
    }
}

impl Receiver {
    fn id(&self) -> String {
        self.id.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes deliveries that wait due at once, as an operator may. Which of them wait is seen again later.
    async fn hasten(&self, api: &Api, until: Instant) {
        let deliveries = format!("{WEBHOOKS}{}/deliveries/", self.id());
        let waiting = Call::new(Method::GET, format!("{deliveries}?status=pending&page_size=200"));
        let Ok(waiting) = api.ask(&waiting, until).await else {
            return;
        };
        let results = waiting.body["results"].as_array().cloned().unwrap_or_default();
        for delivery in results.iter().filter(|delivery| delivery["attempts"] != 0) {
            let path = format!("{deliveries}{}/redeliver/", delivery["number"]);
            let _ = api.ask(&Call::new(Method::POST, path), until).await;
        }
    }
}

impl Shared {
    fn is_calm(&self) -> bool {
        self.calm.load(Ordering::Relaxed)
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Verifies a delivery, and decides what it is answered. Records what is accepted.
    async fn decide(&self, request: &Request) -> Reply {
        let mut known = self.secret.subscribe();
        let secret = match known.wait_for(Option::is_some).await {
            Ok(secret) => secret.clone().unwrap_or_default(),
            Err(_) => return Reply::Status(500),
        };
        let mut heard = self.heard();
        let id = match verified(request, &secret) {
            Ok(id) => id,
            Err(why) => {
                heard.wrong.push(why);
                return Reply::Status(400);
            }
        };
        let tries = heard.tries.entry(id.clone()).or_default();
        *tries += 1;
        let nth = *tries;
        let reply = self.reply(&id, nth, heard.accepted.len());
        match reply {
            Reply::Accept | Reply::AcceptSilently => {
                if heard.known.insert(id.clone()) {
                    heard.accepted.push(id);
                } else {
                    heard.repeated += 1;
                }
            }
            Reply::Status(_) | Reply::Redirect | Reply::Throttle | Reply::Garble | Reply::Hang => {
                heard.refused += 1;
                heard.gone += u64::from(matches!(reply, Reply::Status(410)));
            }
        }
        reply
    }

    fn reply(&self, id: &str, nth: u32, accepted: usize) -> Reply {
        if self.profile == Profile::Gone {
            return if accepted < GONE_AFTER {
                Reply::Accept
            } else {
                Reply::Status(410)
            };
        }
        if self.is_calm() {
            return Reply::Accept;
        }
        // The second try comes 5 seconds later, and the third only minutes later: mostly it is accepted.
        let often = if nth == 1 { 30 } else { 3 };
        let mut chance = Chance::of(self.seed, &format!("receivers/{}/{id}/{nth}", self.name));
        match self.profile {
            Profile::Moody => chance.weighed(&[
                (1000 - 6 * often, Reply::Accept),
                (often, Reply::AcceptSilently),
                (often, Reply::Status(500)),
                (often, Reply::Status(404)),
                (often, Reply::Redirect),
                (often / 3, Reply::Throttle),
                (often, Reply::Garble),
            ]),
            Profile::Hanging => chance.weighed(&[(1000 - often, Reply::Accept), (often, Reply::Hang)]),
            Profile::Well | Profile::Away | Profile::Gone => Reply::Accept,
        }
    }
}

/// Serves one connection.
async fn serve(mut stream: BufStream<TcpStream>, shared: Arc<Shared>) {
    while let Some(request) = http::read(&mut stream).await {
        if request.path == TRAP || request.method != "POST" {
            let words = format!("a redirect was followed: {} {}", request.method, request.path);
            shared.heard().wrong.push(words);
            return;
        }
        let answer = match shared.decide(&request).await {
            Reply::Accept => http::answer(200, "{}", ""),
            Reply::AcceptSilently => return,
            Reply::Status(status) => http::answer(status, r#"{"error":"the drill"}"#, ""),
            Reply::Redirect => http::answer(302, "{}", &format!("Location: {}\r\n", shared.trap)),
            Reply::Throttle => http::answer(429, "{}", "Retry-After: 1\r\n"),
            Reply::Garble => "HTTP/1.1 2".to_owned(),
            Reply::Hang => return std::future::pending().await,
        };
        if stream.write_all(answer.as_bytes()).await.is_err() || stream.flush().await.is_err() {
            return;
        }
        if !answer.contains("\r\n\r\n") {
            return;
        }
    }
}

/// Verifies a delivery by the specification; returns the event's id.
fn verified(request: &Request, secret: &[u8]) -> Result<String, String> {
    let header = |name: &str| {
        let found = request.headers.get(name);
        found.ok_or_else(|| format!("a delivery without {name}"))
    };
    let (id, at, signatures) = (
        header("webhook-id")?,
        header("webhook-timestamp")?,
        header("webhook-signature")?,
    );
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).map_err(|error| error.to_string())?;
    mac.update(format!("{id}.{at}.").as_bytes());
    mac.update(&request.body);
    let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    if !signatures.split(' ').any(|one| one == expected) {
        return Err(format!("{id}: the signature is wrong"));
    }
    let at: i64 = at.parse().map_err(|_| format!("{id}: the time is no number"))?;
    if (clock::now().timestamp() - at).abs() > 300 {
        return Err(format!("{id}: the time is {at}"));
    }
    let body: Value = serde_json::from_slice(&request.body).map_err(|error| format!("{id}: {error}"))?;
    if body["id"] != id.as_str() {
        return Err(format!("{id}: the body is of {}", body["id"]));
    }
    Ok(id.clone())
}

/// An event of the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FeedEvent {
    pub(crate) id: String,
    pub(crate) sequence: String,
    pub(crate) event_type: String,
    pub(crate) payout_id: Option<String>,
    pub(crate) version: Option<u64>,
}

impl FeedEvent {
    fn of(event: &Value) -> Self {
        let text = |name: &str| event[name].as_str().map(str::to_owned);
        Self {
            id: text("id").unwrap_or_default(),
            sequence: text("sequence").unwrap_or_default(),
            event_type: text("type").unwrap_or_default(),
            payout_id: text("payout_id"),
            version: event["version"].as_u64(),
        }
    }
}

/// Reads a page of the feed; returns the events and the next cursor.
async fn page(api: &Api, query: &str, after: &str, until: Instant) -> Outcome<(Vec<FeedEvent>, String)> {
    let after = if after.is_empty() {
        String::new()
    } else {
        format!("&after={after}")
    };
    let answer = api
        .ask(
            &Call::new(Method::GET, format!("/api/events/?{query}{after}")),
            until,
        )
        .await?;
    let events = answer.body["results"].as_array();
    let (Some(events), Some(next)) = (events, answer.body["next"].as_str()) else {
        return Err(format!("no page of the feed: {}", answer.body).into());
    };
    Ok((events.iter().map(FeedEvent::of).collect(), next.to_owned()))
}

/// Reads the whole feed.
pub(crate) async fn read_feed(api: &Api, until: Instant) -> Outcome<Vec<FeedEvent>> {
    let (mut events, mut after) = (Vec::new(), String::new());
    loop {
        let (some, next) = page(api, "limit=1000", &after, until).await?;
        if some.is_empty() && next == after {
            return Ok(events);
        }
        events.extend(some);
        after = next;
    }
}

/// Follows the feed by pages of this size until it has read the event whose id is sent at the end. Returns what it read up
/// to there.
pub(crate) async fn follow_feed(
    api: Arc<Api>,
    limit: u32,
    mut over: watch::Receiver<Option<String>>,
) -> Vec<FeedEvent> {
    let (mut events, mut after): (Vec<FeedEvent>, String) = (Vec::new(), String::new());
    let mut left = None;
    loop {
        let until = clock::instant() + Duration::from_secs(60);
        let query = format!("limit={limit}&wait={}", if left.is_none() { 2 } else { 0 });
        if let Ok((some, next)) = page(&api, &query, &after, until).await {
            events.extend(some);
            after = next;
        }
        let last = over.borrow_and_update().clone();
        if let Some(last) = last {
            let read_to = events.iter().position(|event| event.id == last);
            let tries = left.get_or_insert(200_u32);
            *tries -= 1;
            if last.is_empty() || read_to.is_some() || *tries == 0 {
                // What came after it is not in the whole feed either.
                events.truncate(read_to.map_or(events.len(), |place| place + 1));
                return events;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector that the specification publishes.
    #[test]
    fn the_published_vector_verifies_but_for_its_time() {
        let secret = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let request = |body: &str| Request {
            method: "POST".to_owned(),
            path: "/".to_owned(),
            headers: [
                ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
                ("webhook-timestamp", "1614265330"),
                (
                    "webhook-signature",
                    "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
                ),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
            body: body.as_bytes().to_vec(),
        };
        let outcome = verified(&request(r#"{"test": 2432232314}"#), &secret);
        assert!(outcome.unwrap_err().ends_with("the time is 1614265330"));
        let outcome = verified(&request(r#"{"test": 2432232315}"#), &secret);
        assert!(outcome.unwrap_err().ends_with("the signature is wrong"));
    }
}
