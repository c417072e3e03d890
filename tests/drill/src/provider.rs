//! A payment provider that follows the provider contract, with a fault profile drawn from the seed.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncWriteExt, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::Outcome;
use crate::fault_profile::{self, FaultProfile, ResponseMode};
use crate::http::{self, Request};
use crate::ledger::{Instruction, Ledger};
use crate::ledger_state::{Act, CLOSED, Standing};
use crate::settings::Timing;

pub(crate) struct Provider {
    pub(crate) ledger: Ledger,
    port: u16,
    shared: Arc<Shared>,
    open: watch::Sender<bool>,
}

struct Shared {
    ledger: Ledger,
    seed: u64,
    timing: Timing,
    calm: AtomicBool,
    /// The number of submissions and look-ups of each key, and the name of its payout.
    seen: Mutex<HashMap<String, Seen>>,
}

#[derive(Default)]
struct Seen {
    name: String,
    /// The last submitted instruction, which some answers repeat.
    instruction: Option<Instruction>,
    submissions: u32,
    look_ups: u32,
}

impl Provider {
    pub(crate) async fn start(port: u16, seed: u64, timing: Timing, ledger: Ledger) -> Outcome<Self> {
        let shared = Arc::new(Shared {
            ledger: ledger.clone(),
            seed,
            timing,
            calm: AtomicBool::new(false),
            seen: Mutex::default(),
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let (open, opened) = watch::channel(true);
        let serving = shared.clone();
        tokio::spawn(http::listen(listener, opened, move |stream| {
            serve(stream, serving.clone())
        }));
        Ok(Self {
            ledger,
            port,
            shared,
            open,
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Makes the provider answer by the contract, at once, from now on.
    pub(crate) fn calm_down(&self) {
        self.shared.calm.store(true, Ordering::Relaxed);
    }

    /// Refuses connections for a while, and ends existing ones.
    pub(crate) async fn away_for(&self, length: Duration) {
        self.open.send_replace(false);
        tokio::time::sleep(length).await;
        self.open.send_replace(true);
    }
}

async fn serve(mut stream: BufStream<TcpStream>, shared: Arc<Shared>) {
    while let Some(request) = http::read(&mut stream).await {
        // A received request is carried out completely, even if the caller hangs up meanwhile.
        let shared = shared.clone();
        let handled = tokio::spawn(async move { shared.handle(request).await });
        let Ok((mode, status, body)) = handled.await else {
            return;
        };
        let text = body.to_string();
        let answer = match mode {
            ResponseMode::Vanish => return,
            ResponseMode::Hang => return std::future::pending().await,
            ResponseMode::Tell | ResponseMode::TellAfter(_) => http::answer(status, &text, ""),
            ResponseMode::Halve => {
                let answer = http::answer(status, &text, "");
                let half = answer.len() - text.len() / 2 - 1;
                let _ = stream.write_all(&answer.as_bytes()[..half]).await;
                let _ = stream.flush().await;
                return;
            }
            ResponseMode::Status(status) => http::answer(status, r#"{"error":"the drill"}"#, ""),
            ResponseMode::Throttle(status, wait) => {
                http::answer(status, "{}", &format!("Retry-After: {wait}\r\n"))
            }
            ResponseMode::Garble => http::answer(200, r#"<html>{"status":"comp"#, ""),
        };
        if stream.write_all(answer.as_bytes()).await.is_err() || stream.flush().await.is_err() {
            return;
        }
    }
}

impl Shared {
    async fn handle(&self, request: Request) -> (ResponseMode, u16, Value) {
        let nothing = |status| {
            (
                ResponseMode::Tell,
                status,
                json!({"error": "not of the contract"}),
            )
        };
        match (request.method.as_str(), request.path.strip_prefix("/payouts")) {
            ("POST", Some("")) => {
                let instruction = serde_json::from_slice(&request.body);
                let (Some(key), Ok(instruction)) = (request.headers.get("idempotency-key"), instruction)
                else {
                    return nothing(400);
                };
                self.submit(key, instruction).await
            }
            ("GET", Some(path)) => {
                let key = percent_encoding::percent_decode_str(path.trim_start_matches('/'));
                self.look_up(&key.decode_utf8_lossy()).await
            }
            _ => nothing(404),
        }
    }

    fn is_calm(&self) -> bool {
        self.calm.load(Ordering::Relaxed)
    }

    async fn submit(&self, key: &str, instruction: Instruction) -> (ResponseMode, u16, Value) {
        // The name contains the generation but not the id, which differs from run to run.
        let generation = key.rsplit(':').next().unwrap_or_default();
        let name = format!("{}/{generation}", instruction.description);
        let nth = {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            let seen = seen.entry(key.to_owned()).or_default();
            seen.name.clone_from(&name);
            seen.instruction = Some(instruction.clone());
            seen.submissions += 1;
            seen.submissions
        };
        let profile = if self.is_calm() {
            FaultProfile::CALM
        } else {
            fault_profile::of_submission(self.seed, &name, nth, &self.timing)
        };
        tokio::time::sleep(profile.wait).await;
        let standing = self.ledger.submit(key, instruction.clone(), profile.act).await;
        if let ResponseMode::TellAfter(wait) = profile.mode {
            tokio::time::sleep(wait).await;
        }
        let (status, body) = standing.map_or((500, Value::Null), |standing| {
            describe(&standing, nth, Some(&instruction))
        });
        // Where nothing was decided, there is no answer to give.
        let told = !matches!(profile.act, Act::Nothing | Act::Refuse)
            || !matches!(profile.mode, ResponseMode::Tell | ResponseMode::TellAfter(_));
        (
            if told {
                profile.mode
            } else {
                ResponseMode::Status(500)
            },
            status,
            body,
        )
    }

    async fn look_up(&self, key: &str) -> (ResponseMode, u16, Value) {
        let (name, instruction, nth) = {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            let seen = seen.entry(key.to_owned()).or_default();
            seen.look_ups += 1;
            // A key that never arrived has no name, and must not share one with the others.
            let name = if seen.name.is_empty() { key } else { &seen.name };
            (name.to_owned(), seen.instruction.clone(), seen.look_ups)
        };
        let calm = self.is_calm();
        let mode = if calm {
            ResponseMode::Tell
        } else {
            fault_profile::of_look_up(self.seed, &name, nth)
        };
        match self.ledger.look_up(key, calm).await {
            // A decline's status code is not valid for a look-up.
            Some(standing) => {
                let (status, body) = describe(&standing, nth * 3, instruction.as_ref());
                (mode, if status == 202 { 202 } else { 200 }, body)
            }
            None => (mode, 404, json!({"error": "never received"})),
        }
    }
}

/// Describes a key's state by the contract, in one of the allowed forms. Every other answer repeats the instruction's
/// amount, currency and digest.
fn describe(standing: &Standing, nth: u32, instruction: Option<&Instruction>) -> (u16, Value) {
    let (status, mut body) = standing_as_body(standing, nth);
    if let (Some(instruction), Value::Object(fields)) = (instruction, &mut body)
        && nth.is_multiple_of(2)
        && !fields.contains_key("code")
    {
        fields.insert("amount".to_owned(), json!(instruction.amount));
        fields.insert("currency".to_owned(), json!(instruction.currency));
        fields.insert("digest".to_owned(), json!(instruction.digest));
    }
    (status, body)
}

fn standing_as_body(standing: &Standing, nth: u32) -> (u16, Value) {
    match standing {
        Standing::Paid { reference } => (
            if nth.is_multiple_of(2) { 200 } else { 201 },
            json!({"status": "completed", "reference": reference}),
        ),
        Standing::Accepted { reference } => (202, json!({"status": "pending", "reference": reference})),
        Standing::Declined { code } => {
            let message = if code == CLOSED {
                "A person closed it."
            } else {
                "The drill declines."
            };
            match [200, 402, 422][usize::try_from(nth % 3).unwrap_or(0)] {
                200 => (200, json!({"status": "failed", "code": code, "message": message})),
                status => (status, json!({"code": code, "message": message})),
            }
        }
    }
}
