//! One running process: the parts that it starts, and the order in which it does so.

use std::net::SocketAddr;
use std::sync::Arc;

use payout_core::ports::{Clock, Telemetry};
use payout_core::provider::ProviderName;
use payout_core::usecase::batches::Batches;
use payout_core::usecase::bulk::BulkRunner;
use payout_core::usecase::feed::Feed;
use payout_core::usecase::recipients::Recipients;
use payout_core::usecase::stats::PayoutStatistics;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::door::StartupGate;
use crate::failure::AppError;
use crate::health::Health;
use crate::http::admission::{Connections, Limits};
use crate::http::{self, AppState, Authenticator, OpenTo, OptionalRoutes};
use crate::metrics::Metrics;
use crate::own_ports::{OWN, OwnPorts};
use crate::restored;
use crate::running::Handles;
pub use crate::running::Running;
use crate::sampler::Sampler;
use crate::server::{Failing, listen, serve};
use crate::settings::{Command, Config, EncryptionCommand};
use crate::wiring::Ports;
use crate::{audit_trail, first_steps, keys_fit, rules, schema_ready};

/// Starts a process.
#[derive(Debug)]
pub struct App;

/// The parts of a process that a command starts.
#[derive(Clone, Copy)]
struct Role {
    migrates: bool,
    serves: bool,
    works: bool,
}

impl Role {
    fn of(command: &Command) -> Self {
        match command {
            Command::Serve => Self {
                migrates: false,
                serves: true,
                works: false,
            },
            Command::Worker => Self {
                migrates: false,
                serves: false,
                works: true,
            },
            Command::Run
            | Command::Migrate
            | Command::Keys(_)
            | Command::Providers(_)
            | Command::Webhooks(_)
            | Command::Openapi { .. }
            | Command::Encryption(EncryptionCommand::Rotate)
            | Command::KeysRotate
            | Command::Doctor { .. }
            | Command::Reconcile(_)
            | Command::Export(_)
            | Command::Backup { .. }
            | Command::Import(_)
            | Command::Batch(_)
            | Command::ImportDjango(_)
            | Command::Healthcheck => Self {
                migrates: true,
                serves: true,
                works: true,
            },
        }
    }

    fn describe(self) -> &'static str {
        match (self.serves, self.works) {
            (true, true) => "serving and working",
            (true, false) => "serving",
            (false, _) => "working",
        }
    }
}

impl App {
    /// Starts the parts that the command names. Listens at once, even if the database and the queue are not available
    /// yet.
    ///
    /// # Errors
    /// [`AppError`] if a setting cannot be used, such as an address that is already in use.
    pub async fn start(config: Config) -> Result<Running, AppError> {
        Self::start_with(config, OwnPorts::default()).await
    }

    /// Starts the process with ports that the program provides.
    pub(crate) async fn start_with(config: Config, own: OwnPorts) -> Result<Running, AppError> {
        let role = Role::of(&config.command);
        let ports = Ports::with(&config, own)?;
        let metrics = Arc::new(Metrics::new()?);
        let health = Health::new(ports.repository_kind, ports.queue_kind, metrics.clone());
        let queue_is_in_database = ports.queue_kind != OWN && config.queue.is_in_database();
        let health = Arc::new(health.with_queue_in_database(queue_is_in_database));
        let telemetry = Telemetry {
            observer: metrics.clone(),
            tracer: ports.traces.tracer(),
        };
        let payouts = ports.payouts(&config, telemetry);
        let batches = ports.batches.clone();
        let batches =
            batches.map(|repository| Batches::new(repository, ports.recipients.clone(), payouts.clone()));
        let shutdown = CancellationToken::new();
        let feed = ports.feed.clone().map(|feed| Feed::start(feed, shutdown.clone()));
        let providers = ports.provider_use_cases();
        let keyring = Arc::new(ports.keys.keyring());
        let open_to = OpenTo::of(config.bind, config.auth_off);
        let handles = Handles {
            payouts: payouts.clone(),
            keys: ports.keys.clone(),
            health: health.clone(),
        };
        let clock: Arc<dyn Clock> = ports.system.clone();
        let limits = Arc::new(Limits::new(config.limits.clone(), &clock));
        let optional_routes = OptionalRoutes {
            docs: config.api.docs,
            console: config.api.console,
            metrics: config.metrics_bind.is_none(),
        };
        let app_state = AppState {
            limits: limits.clone(),
            batches,
            bulk: ports.bulk_actions(payouts.clone()),
            payouts,
            keys: ports.keys.clone(),
            providers: providers.clone(),
            provider_watch: ports.provider_watch(),
            recipients: Recipients::new(ports.recipients.clone(), ports.system.clone()),
            stats: PayoutStatistics::new(ports.stats.clone()),
            feed: feed.clone(),
            webhooks: ports.webhook_use_cases(),
            sessions: ports.console_sessions(keyring.clone()),
            authenticator: Authenticator::new(keyring.clone(), open_to),
            health: health.clone(),
            metrics: metrics.clone(),
            system: ports.system.clone(),
            tracer: ports.traces.tracer(),
            require_idempotency_key: config.api.require_idempotency_key,
            optional_routes,
        }
        .shared();

        let mut connections = None;
        let mut servers = Vec::new();
        let (mut local_addr, mut metrics_addr) = (None, None);
        let (fail, failed) = oneshot::channel();
        let fail = Failing::new(fail);
        if role.serves {
            let open = Connections::new(&config.limits, clock.clone());
            connections = Some(open.clone());
            let listener = listen("PAYOUT_BIND", config.bind)?;
            local_addr = listener.local_addr().ok();
            servers.push(serve(
                listener,
                http::service(app_state.clone(), optional_routes),
                open,
                fail.clone(),
            )?);
        }
        if let Some(address) = config.metrics_bind {
            let listener = listen("PAYOUT_METRICS_BIND", address)?;
            metrics_addr = listener.local_addr().ok();
            let open = Connections::new(&config.limits, clock);
            servers.push(serve(
                listener,
                http::operators_service(app_state),
                open,
                fail.clone(),
            )?);
        }
        say_what_starts(&config, role, &ports, local_addr);

        let watch = {
            let (health, repository, queue) = (health.clone(), ports.repository.clone(), ports.queue.clone());
            let sampler = Sampler {
                store: ports.store.clone(),
                repository: ports.repository.clone(),
                feed,
                clock: ports.system.clone(),
                webhooks: ports.webhook_use_cases(),
                health: health.clone(),
                metrics: metrics.clone(),
                limits,
                connections,
            };
            let shutdown = shutdown.clone();
            tokio::spawn(async move {
                tokio::join!(
                    health.watch(repository, queue, providers, shutdown.clone()),
                    sampler.run(shutdown)
                );
            })
        };
        let (store, traces) = (ports.store.clone(), ports.traces.clone());
        let door = role.serves.then_some(StartupGate {
            keyring,
            open_to,
            bind: config.bind,
            try_it: first_steps::try_it(&config, ports.is_simulated(), local_addr),
        });
        let process = Process {
            bulk: ports.bulk_runner(handles.payouts.clone()),
            config,
            ports,
            door,
            health,
            metrics,
        };
        let work = tokio::spawn(work(process, shutdown.clone(), fail));
        Ok(Running {
            local_addr,
            metrics_addr,
            servers,
            work,
            watch,
            failed: Some(failed),
            shutdown,
            store,
            traces,
            handles,
        })
    }
}

/// The parts of a process that work needs once the database is ready.
struct Process {
    config: Config,
    ports: Ports,
    bulk: BulkRunner,
    /// The gate of the requests; absent in a process that serves none.
    door: Option<StartupGate>,
    health: Arc<Health>,
    metrics: Arc<Metrics>,
}

/// Waits until the database is ready, lets requests in, and then runs the worker if the command asks for one.
async fn work(process: Process, shutdown: CancellationToken, fail: Failing) {
    let Process {
        config,
        ports,
        bulk,
        door,
        health,
        metrics,
    } = process;
    let role = Role::of(&config.command);
    let ready = async {
        if role.migrates {
            schema_ready::migrated(&ports.store, &config.database, Some(&health)).await?;
        } else {
            schema_ready::current(&ports.store, &config.database, &health).await?;
        }
        schema_ready::feed_goes_on(&ports.store, &config.database, &health).await?;
        schema_ready::writable(&*ports.repository, &config.database, &health).await?;
        audit_trail::warn_of_flaws(&ports.store).await;
        match &door {
            Some(door) => door.open().await,
            None => Ok(()),
        }
    };
    let ready = tokio::select! {
        () = shutdown.cancelled() => return,
        ready = ready => ready,
    };
    if let Err(error) = ready {
        fail.with(error);
        return;
    }
    tokio::select! {
        () = shutdown.cancelled() => return,
        () = keys_fit::fitting(&ports.store, &health) => (),
    }
    if role.serves {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = rules::record(&ports.store, &config) => (),
        }
    }
    // Before any worker or client can claim, edit or cancel a payout that may have been sent.
    if config.restored
        && let Some(reader) = ports.store.reconciliation()
    {
        let presumed = tokio::select! {
            () = shutdown.cancelled() => return,
            presumed = restored::presume_sent(&*reader) => presumed,
        };
        if let Err(error) = presumed {
            fail.with(AppError::Restored(error));
            return;
        }
    }
    health.open();
    let sealing = {
        let (store, shutdown) = (ports.store.clone(), shutdown.clone());
        tokio::spawn(async move { keys_fit::watch(&store, &shutdown).await })
    };
    let keys = door.map(|door| tokio::spawn(door.watch(shutdown.clone())));
    if role.works {
        let names = ports.providers.iter().map(|provider| provider.name.as_ref());
        metrics.begin_worker(names.map(|name| name.map(ProviderName::as_str)));
        let worker = ports
            .worker(config.worker)
            .restored(config.restored)
            .observed_by(health)
            .acting_in_bulk(bulk);
        worker.run(shutdown).await;
    }
    let _ = sealing.await;
    if let Some(keys) = keys {
        let _ = keys.await;
    }
}

fn say_what_starts(config: &Config, role: Role, ports: &Ports, local_addr: Option<SocketAddr>) {
    let address = local_addr.map(|address| format!("http://{address}"));
    let own_repository = ports.repository_kind == OWN;
    let database = if own_repository {
        OWN.to_owned()
    } else {
        config.database.to_string()
    };
    let providers: Vec<String> = ports.providers.iter().map(ToString::to_string).collect();
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        address,
        database,
        queue = ports.queue_kind,
        provider = providers.join(", "),
        limits = (!config.money_limits.is_empty()).then(|| config.money_limits.to_string()),
        approvals = (!config.approvals.rules.is_empty()).then(|| config.approvals.rules.to_string()),
        worker = role.works.then(|| config.worker.name.as_str()),
        "{}",
        role.describe()
    );
    first_steps::say(config, ports, local_addr);
}
