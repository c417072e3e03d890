//! The service: the binary running on a database.

use std::ops::Deref;
use std::sync::Arc;

use serde_json::Value;

use crate::client::{Api, PAYOUTS};
use crate::ports::free_port;
use crate::process::Process;
use crate::store::Store;
use crate::wait::{SOON, eventually};

/// The settings with which the binary is started.
#[derive(Clone)]
pub struct Launch {
    binary: &'static str,
    store: Arc<Store>,
    env: Vec<(String, String)>,
    through: Vec<String>,
}

impl Launch {
    /// Makes a launch on a database, with short delays and the whole log.
    pub fn new(binary: &'static str, store: Arc<Store>) -> Self {
        let env = store.env();
        let launch = Self {
            binary,
            store,
            env,
            through: Vec::new(),
        };
        launch
            .set("PAYOUT_LOG", "debug")
            .set("PAYOUT_SIMULATED_DELAY_MS", 0)
            .set("PAYOUT_SWEEP_MS", 200)
            // Never the default port: the developer's own service may listen there.
            .set("PAYOUT_BIND", "127.0.0.1:0")
    }

    /// Makes a launch without any variable, so that every setting has its default.
    pub fn bare(binary: &'static str, store: Arc<Store>) -> Self {
        Self {
            binary,
            store,
            env: Vec::new(),
            through: Vec::new(),
        }
    }

    /// Starts the binary through a program that executes it in its own place.
    #[must_use]
    pub fn through(mut self, program: &[&str]) -> Self {
        self.through = program.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// Sets a variable.
    #[must_use]
    pub fn set(mut self, name: &str, value: impl ToString) -> Self {
        self.env.retain(|(given, _)| given != name);
        // The delay of the simulated provider is refused beside another one.
        if name == "PAYOUT_PROCESSOR" && value.to_string() != "simulated" {
            self.env.retain(|(given, _)| given != "PAYOUT_SIMULATED_DELAY_MS");
        }
        self.env.push((name.to_owned(), value.to_string()));
        self
    }

    /// Removes a variable.
    #[must_use]
    pub fn unset(mut self, name: &str) -> Self {
        self.env.retain(|(given, _)| given != name);
        self
    }

    /// Sets a call timeout, and the shortest lease that fits it.
    #[must_use]
    pub fn call_timeout_ms(self, timeout_ms: u64) -> Self {
        self.set("PAYOUT_CALL_TIMEOUT_MS", timeout_ms)
            .set("PAYOUT_LEASE_MS", timeout_ms * 3)
    }

    /// Returns the database.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Starts a command, and waits for nothing.
    pub fn spawn(&self, args: &[&str]) -> Process {
        let words = self.through.iter().map(String::as_str).chain([self.binary]);
        let words: Vec<&str> = words.chain(args.iter().copied()).collect();
        Process::start(words[0], &words[1..], &self.env, self.store.folder())
    }

    /// Runs a command until it ends.
    pub async fn finish(&self, args: &[&str]) -> Process {
        let mut process = self.spawn(args);
        let what = format!("payout {} ends, with {:?}", args.join(" "), self.env);
        eventually(&what, SOON, async || process.ended()).await;
        process.end_within(SOON).await;
        process
    }

    /// Starts a worker.
    pub fn worker(&self) -> Process {
        self.spawn(&["worker"])
    }

    /// Brings the database's schema up to date.
    pub async fn migrate(&self) {
        let mut process = self.spawn(&["migrate"]);
        let status = process.end_within(SOON).await;
        assert!(status.success(), "migrate ended with {status}: {}", process.log());
    }

    /// Makes an API key on the command line, and returns its token.
    pub async fn make_key(&self, name: &str, scopes: &str) -> String {
        self.create_key(&["keys", "create", name, "--scopes", scopes])
            .await
    }

    /// Makes the API key of a person on the command line, and returns its token.
    pub async fn make_person(&self, name: &str, scopes: &str) -> String {
        self.create_key(&["keys", "create", name, "--scopes", scopes, "--owner", name])
            .await
    }

    async fn create_key(&self, args: &[&str]) -> String {
        let mut process = self.spawn(args);
        let status = process.end_within(SOON).await;
        assert!(status.success(), "no key: {}", process.log());
        let printed = process.printed();
        let token = printed.trim_end().to_owned();
        assert!(!process.log().contains(&token), "the secret is logged");
        token
    }

    /// Starts `serve` on a database with its schema; no worker claims payouts.
    pub async fn serve(&self) -> App {
        self.migrate().await;
        self.start(&["serve"]).ready().await
    }

    /// Starts `run`: server and worker in one process.
    pub async fn run(&self) -> App {
        self.start(&["run"]).ready().await
    }

    /// Starts a command that serves, without waiting until it is ready.
    pub fn start(&self, args: &[&str]) -> App {
        let port = free_port();
        let launch = self.clone().set("PAYOUT_BIND", format!("127.0.0.1:{port}"));
        App {
            api: Api::on_port(port),
            process: launch.spawn(args),
            port,
            launch,
        }
    }
}

/// A running service.
pub struct App {
    // Dropped before the process: its checks do not need the process, and when they fail, the log is shown.
    api: Api,
    process: Process,
    port: u16,
    launch: Launch,
}

impl Deref for App {
    type Target = Api;

    fn deref(&self) -> &Api {
        &self.api
    }
}

impl App {
    /// Waits until the service reports that it is ready.
    pub async fn ready(mut self) -> Self {
        let (api, process) = (&self.api, &mut self.process);
        let begun = crate::wait::now();
        while !api.is_ready().await {
            assert!(
                process.ended().is_none(),
                "it ended instead of serving: {}",
                process.log()
            );
            assert!(crate::wait::now() - begun < SOON, "not ready within {SOON:?}");
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        self.api.learn().await;
        self
    }

    /// Returns its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns its database.
    pub fn store(&self) -> &Arc<Store> {
        &self.launch.store
    }

    /// Returns the settings with which it was started.
    pub fn launch(&self) -> &Launch {
        &self.launch
    }

    /// Returns the process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Returns the process itself.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Returns its log so far.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Creates a payout, which must be accepted.
    pub async fn create(&self, body: impl std::borrow::Borrow<Value>) -> Value {
        self.post(PAYOUTS).json(body).await.expect(201).json()
    }

    /// Reads a payout.
    pub async fn payout(&self, path: &str) -> Value {
        self.get(path).await.expect(200).json()
    }

    /// Waits until a payout has this status.
    pub async fn until(&self, path: &str, status: &str) -> Value {
        self.until_it(path, status, |payout| payout["status"] == status)
            .await
    }

    /// Waits until a payout needs review.
    pub async fn until_review(&self, path: &str) -> Value {
        self.until_it(path, "under review", |payout| payout["needs_review"] == true)
            .await
    }

    async fn until_it(&self, path: &str, what: &str, fits: impl Fn(&Value) -> bool + Copy) -> Value {
        let what = format!("{path} is {what}");
        eventually(&what, SOON, async || Some(self.payout(path).await).filter(fits)).await
    }

    /// Returns the kinds of a payout's events, oldest first.
    pub async fn events(&self, path: &str) -> Vec<String> {
        let events = self.get(&format!("{path}events/")).await.expect(200).json();
        let kinds = events["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|event| event["event"].as_str().unwrap());
        kinds.map(str::to_owned).collect()
    }
}

/// Returns a payout's path.
pub fn path_of(payout: &Value) -> String {
    format!("{PAYOUTS}{}/", payout["id"].as_str().expect("an id"))
}
