use std::time::Duration;

use payout_adapters::webhook::AllowedNetworks;
use payout_core::ports::System;

use super::*;

fn read(options: &[&str]) -> Result<Config, StartError> {
    let mut all = vec!["payout"];
    all.extend_from_slice(options);
    Config::from_args(all, &System::default())
}

#[track_caller]
fn config(options: &[&str]) -> Config {
    read(options).unwrap()
}

/// The one line that is shown.
#[track_caller]
fn refused(options: &[&str]) -> String {
    match read(options) {
        Err(StartError::Setting(error)) => {
            let line = error.to_string();
            assert!(!line.contains('\n') && line.starts_with(error.variable), "{line}");
            line
        }
        other => panic!("{options:?} gave {other:?}"),
    }
}

#[test]
fn the_command_line_is_consistent() {
    belonging::command_line().debug_assert();
}

#[test]
fn the_defaults_are_those_of_the_table_and_of_the_core() {
    let Config {
        command,
        database,
        storage,
        queue,
        bind,
        metrics_bind,
        api,
        auth_off,
        key_secret,
        money_limits,
        approvals,
        restored,
        processor,
        worker,
        log,
        keyring,
        sentry,
        traces,
        limits,
        webhook_networks,
    } = config(&[]);
    assert_eq!(webhook_networks, AllowedNetworks::default());
    assert_eq!(
        (
            format!("{:?}", storage.postgres()),
            format!("{:?}", storage.sqlite())
        ),
        (
            format!(
                "{:?}",
                payout_adapters::storage::postgres::PostgresOptions::default()
            ),
            format!("{:?}", payout_adapters::storage::sqlite::SqliteOptions::default())
        )
    );
    assert!(api.docs && !api.require_idempotency_key);
    assert!(keyring.is_empty());
    assert_eq!(command, Command::Run);
    assert_eq!(database.to_string(), "sqlite://payouts.db");
    assert!(matches!(queue, Queue::Memory) && metrics_bind.is_none() && !restored);
    assert!(!auth_off && key_secret.is_none() && money_limits.is_empty() && approvals.is_off());
    assert!(sentry.is_none() && traces.is_none());
    assert_eq!(bind.to_string(), "127.0.0.1:8000");
    let ProcessorConfig::Simulated { delay, failure_rate } = processor else {
        panic!("{processor:?}")
    };
    assert_eq!((delay, failure_rate), (Duration::from_secs(2), 0.0));
    let core = WorkerSettings::default();
    assert_eq!(
        (
            worker.concurrency,
            worker.lease,
            worker.call_timeout,
            worker.sweep_every,
            worker.policy
        ),
        (
            core.concurrency,
            core.lease,
            core.call_timeout,
            core.sweep_every,
            core.policy
        )
    );
    assert_eq!((log.filter.as_str(), log.format), ("info", LogFormat::Pretty));
    let limit = RateLimit {
        quota: "1000/s".parse().unwrap(),
        spares_this_host: true,
    };
    assert_eq!((limits.per_key, limits.per_address), (Some(limit), Some(limit)));
    assert_eq!(
        (limits.in_flight, limits.connections, limits.body_bytes),
        (4_096, 8_192, 65_536)
    );
    assert_eq!(
        [limits.header_timeout, limits.body_timeout, limits.handler_timeout],
        [10, 20, 30].map(Duration::from_secs)
    );
    assert!(limits.trusted_proxies.is_empty());
}

/// But for the name, which no two processes share.
#[test]
fn a_program_has_the_same_defaults_without_an_environment() {
    let written = |mut config: Config| {
        config.worker.name = payout_core::payout::Actor::new("worker");
        format!("{config:?}")
    };
    assert_eq!(written(Config::default()), written(config(&[])));
}

#[test]
fn an_empty_setting_counts_as_unset() {
    let config = config(&[
        "--bind=",
        "--redis-url= ",
        "--lease-ms=",
        "--processor=",
        "--log=",
        "--processor-url=",
    ]);
    assert_eq!(config.bind.to_string(), DEFAULT_BIND);
    assert!(matches!(config.queue, Queue::Memory));
    assert_eq!(config.worker.lease, Duration::from_secs(15));
}

#[test]
fn queues_are_told_apart_by_their_scheme() {
    let postgres = "--database-url=postgres://u@h/d";
    for (options, kind) in [
        (&[][..], "memory"),
        (&[postgres], "postgres"),
        (&[postgres, "--queue-url=postgres:"], "postgres"),
        (&[postgres, "--queue-url=postgres://u@direct/d"], "postgres"),
        (&[postgres, "--queue-url=memory:"], "memory"),
        (&[postgres, "--queue-url=redis://h"], "redis"),
        (&["--queue-url=rediss://h:6380/1"], "redis"),
        (&["--queue-url=redis+sentinel://h:26379,i:26379/name"], "redis"),
        (&["--queue-url=redis+cluster://h,i"], "redis"),
        (&["--queue-url=amqp://h/payouts"], "amqp"),
        (&["--queue-url=nats://h,i"], "nats"),
        (&["--redis-url=redis://h"], "redis"),
        (&["--redis-url=redis://h", "--queue-url=redis://h"], "redis"),
    ] {
        assert_eq!(config(options).queue.kind(), kind, "{options:?}");
    }
    for (queue, url) in [
        ("postgres:", "postgres://u@h/d"),
        ("postgres://u@direct/d", "postgres://u@direct/d"),
    ] {
        let found = config(&[postgres, &format!("--queue-url={queue}")]).queue;
        assert!(
            matches!(&found, Queue::Postgres { url: used } if used.expose() == url),
            "{queue}"
        );
    }
}

#[test]
fn the_prefix_of_names_has_two_names() {
    for option in ["--queue-prefix=shop", "--redis-prefix=shop"] {
        let found = config(&["--queue-url=redis://h", option]).queue;
        assert!(
            matches!(&found, Queue::Redis(broker) if broker.prefix == "shop"),
            "{option}: {found:?}"
        );
    }
}

#[test]
fn databases_are_told_apart_by_their_scheme() {
    for (url, kind) in [
        ("sqlite://payouts.db", "sqlite"),
        ("sqlite:///var/lib/payouts.db", "sqlite"),
        ("sqlite:payouts.db", "sqlite"),
        ("postgres://user:pass@host/db", "postgres"),
        ("postgresql://host:5433/db?sslmode=require", "postgres"),
        (
            "postgres://user:pass@a:5432,b:5433/db?target_session_attrs=read-write",
            "postgres",
        ),
        ("memory:", "memory"),
    ] {
        assert_eq!(config(&["--database-url", url]).database.kind(), kind, "{url}");
    }
    for (url, part) in [
        ("mysql://host/db", "the scheme \"mysql\" is unknown"),
        ("payouts.db", "has no scheme"),
        ("sqlite://", "needs a path"),
        ("sqlite::memory:", "use memory:"),
        ("sqlite://x?mode=ro", "no parameters"),
        ("memory:x", "takes nothing"),
        ("postgres://", "use postgres://"),
        ("postgres://[", "use postgres://"),
        (
            "postgres://h/db?connect_timeout=3",
            "the parameter connect_timeout is unknown",
        ),
        (
            "postgres://a,b/db?target_session_attrs=standby",
            "target_session_attrs is any, read-write or primary",
        ),
    ] {
        let line = refused(&["--database-url", url]);
        assert!(
            line.starts_with("DATABASE_URL: ") && line.contains(part),
            "{line}"
        );
    }
}

#[test]
fn each_wrong_setting_is_one_line_that_names_the_variable() {
    for (options, line) in [
        (
            &["--bind=nowhere"][..],
            "PAYOUT_BIND: \"nowhere\" is not an address with a port, such as 127.0.0.1:8000 or [::1]:8000",
        ),
        (
            &["--bind=127.0.0.1"],
            "PAYOUT_BIND: \"127.0.0.1\" is not an address with a port, such as 127.0.0.1:8000 or [::1]:8000",
        ),
        (
            &["--metrics-bind=:9"],
            "PAYOUT_METRICS_BIND: \":9\" is not an address with a port, such as 127.0.0.1:8000 or [::1]:8000",
        ),
        (
            &["--redis-url=http://x"],
            "REDIS_URL: use redis://[user:password@]host[:port][/database], or rediss:// for TLS",
        ),
        (
            &["--redis-url=redis://x", "--redis-prefix=a b"],
            "PAYOUT_REDIS_PREFIX: use up to 64 visible ASCII characters",
        ),
        (
            &["--queue-url=redis://x", "--redis-url=redis://y"],
            "REDIS_URL: is set, and QUEUE_URL is set to another value: they are one setting, so unset REDIS_URL",
        ),
        (
            &["--queue-prefix=a", "--redis-prefix=b"],
            "PAYOUT_REDIS_PREFIX: is set, and PAYOUT_QUEUE_PREFIX is set to another value: they are one setting, so unset \
             PAYOUT_REDIS_PREFIX",
        ),
        (
            &["--queue-url=kafka://x"],
            "QUEUE_URL: has no known scheme: use postgres:, redis://, redis+sentinel://, redis+cluster://, amqp://, nats:// \
             or memory:",
        ),
        (
            &["--queue-url=memory:x"],
            "QUEUE_URL: memory: takes nothing after it",
        ),
        (
            &["--queue-url=postgres:"],
            "QUEUE_URL: postgres: needs payouts in PostgreSQL: set DATABASE_URL=postgres://…, or unset it",
        ),
        (
            &["--queue-url=postgres:x", "--database-url=postgres://h/d"],
            "QUEUE_URL: use postgres: for the database of DATABASE_URL, or its address: \
             postgres://user:password@host:port/database",
        ),
        (&["--docs=true"], "PAYOUT_DOCS: \"true\" is not on or off"),
        (
            &["--require-idempotency-key=yes"],
            "PAYOUT_REQUIRE_IDEMPOTENCY_KEY: \"yes\" is not on or off",
        ),
        (
            &["--processor=bank"],
            "PAYOUT_PROCESSOR: \"bank\" is not simulated or http",
        ),
        (
            &["--processor=http"],
            "PAYOUT_PROCESSOR_URL: is needed with PAYOUT_PROCESSOR=http",
        ),
        (
            &["--processor=http", "--processor-url=ftp://x"],
            "PAYOUT_PROCESSOR_URL: use http:// or https://, without user, query and fragment",
        ),
        (
            &["--processor=http", "--processor-url=http://u:p@x"],
            "PAYOUT_PROCESSOR_URL: use http:// or https://, without user, query and fragment",
        ),
        (
            &[
                "--processor=http",
                "--processor-url=http://x",
                "--processor-token=a\nb",
            ],
            "PAYOUT_PROCESSOR_TOKEN: use visible ASCII characters",
        ),
        (
            &["--simulated-delay-ms=-1"],
            "PAYOUT_SIMULATED_DELAY_MS: \"-1\" is not a whole number from 0 to 86400000",
        ),
        (
            &["--simulated-failure-rate=NaN"],
            "PAYOUT_SIMULATED_FAILURE_RATE: \"NaN\" is not a number from 0 to 1",
        ),
        (
            &["--simulated-failure-rate=1.01"],
            "PAYOUT_SIMULATED_FAILURE_RATE: \"1.01\" is not a number from 0 to 1",
        ),
        (
            &["--simulated-failure-rate=-0.1"],
            "PAYOUT_SIMULATED_FAILURE_RATE: \"-0.1\" is not a number from 0 to 1",
        ),
        (
            &["--worker-concurrency=0"],
            "PAYOUT_WORKER_CONCURRENCY: \"0\" is not a whole number from 1 to 100000",
        ),
        (
            &["--lease-ms=0"],
            "PAYOUT_LEASE_MS: \"0\" is not a whole number from 1 to 86400000",
        ),
        (
            &["--lease-ms=1.5"],
            "PAYOUT_LEASE_MS: \"1.5\" is not a whole number from 1 to 86400000",
        ),
        (
            &["--call-timeout-ms=5001"],
            "PAYOUT_CALL_TIMEOUT_MS: 5001 is more than a third of PAYOUT_LEASE_MS (15000): a call could outlive its lease",
        ),
        (
            &["--lease-ms=14999"],
            "PAYOUT_CALL_TIMEOUT_MS: 5000 is more than a third of PAYOUT_LEASE_MS (14999): a call could outlive its lease",
        ),
        (
            &["--sweep-ms=0"],
            "PAYOUT_SWEEP_MS: \"0\" is not a whole number from 1 to 86400000",
        ),
        (
            &["--backoff-base-ms=60001"],
            "PAYOUT_BACKOFF_BASE_MS: 60001 is more than PAYOUT_BACKOFF_CAP_MS (60000)",
        ),
        (
            &["--max-attempts=0"],
            "PAYOUT_MAX_ATTEMPTS: \"0\" is not a whole number from 1 to 1000000",
        ),
        (
            &["--key-window-hours=0"],
            "PAYOUT_KEY_WINDOW_HOURS: \"0\" is not a whole number from 1 to 87600",
        ),
        (
            &["--log=payout=loud"],
            "PAYOUT_LOG: \"payout=loud\" is not a log filter: use error, warn, info, debug or trace, or by module such as info,payout_core=debug",
        ),
        (
            &["--log=inof"],
            "PAYOUT_LOG: \"inof\" is not a log filter: use error, warn, info, debug or trace, or by module such as info,payout_core=debug",
        ),
        (
            &["--log-format=xml"],
            "PAYOUT_LOG_FORMAT: \"xml\" is not pretty or json",
        ),
        (
            &["serve", "--database-url=memory:"],
            "DATABASE_URL: memory: is seen by one process only, so `payout serve` alone has nothing to share it with; use `payout run`",
        ),
        (
            &["worker", "--database-url=memory:"],
            "DATABASE_URL: memory: is seen by one process only, so `payout worker` alone has nothing to share it with; use `payout run`",
        ),
    ] {
        assert_eq!(refused(options), line);
    }
}

#[test]
fn what_bounds_allow_is_taken() {
    let config = config(&[
        "--simulated-failure-rate=1",
        "--simulated-delay-ms=0",
        "--lease-ms=3",
        "--call-timeout-ms=1",
        "--backoff-base-ms=5",
        "--backoff-cap-ms=5",
        "--bind=localhost:0",
    ]);
    assert_eq!(config.bind.to_string(), "127.0.0.1:0");
    assert_eq!(config.worker.call_timeout * 3, config.worker.lease);
}

#[test]
fn secrets_are_not_shown() {
    let config = config(&[
        "--database-url=postgres://user:hunter2@host/db?password=hunter2",
        "--redis-url=redis://:hunter2@host/",
        "--processor=http",
        "--processor-url=https://bank.example/v1",
        "--processor-token=hunter2",
    ]);
    assert_eq!(config.database.to_string(), "postgres://user:***@host/db");
    let shown = format!("{config:?} {}", config.database);
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(
        shown.contains("url: ***") && shown.contains("token: Some(***)"),
        "{shown}"
    );
    let Queue::Redis(redis) = config.queue else {
        panic!("{:?}", config.queue)
    };
    assert_eq!(redis.url.expose(), "redis://:hunter2@host/");
    for line in [
        refused(&["--database-url=hunter2"]),
        refused(&["--database-url=postgres://user:hunter2@[/db"]),
        refused(&["--redis-url=hunter2"]),
        refused(&["--queue-url=hunter2"]),
        refused(&["--queue-url=postgres://user:hunter2@[/db"]),
        refused(&["--queue-url=redis://:hunter2@h", "--redis-url=redis://:hunter2@i"]),
        refused(&["--processor=http", "--processor-url=hunter2"]),
    ] {
        assert!(!line.contains("hunter2"), "{line}");
    }
}

#[test]
fn help_names_every_variable_and_what_holds_without_it() {
    let help = belonging::command_line().render_long_help().to_string();
    for row in table::rows() {
        let names = match row.secret {
            true => format!("[env: {}, or {}_FILE]", row.variable, row.variable),
            false => format!("[env: {}]", row.variable),
        };
        assert!(help.contains(&names), "{names} is not in {help}");
        let default = format!("[default: {}{}]", row.default, row.unset);
        assert!(help.contains(&default), "{default} is not in {help}");
    }
    assert!(!help.contains('`'), "{help}");
}

/// A row that is marked as no secret would show its value in messages.
#[test]
fn the_secrets_are_these() {
    let secrets: Vec<&str> = table::rows()
        .filter(|row| row.secret)
        .map(|row| row.variable)
        .collect();
    assert_eq!(
        secrets,
        [
            "DATABASE_URL",
            "PAYOUT_ENCRYPTION_KEYS",
            "QUEUE_URL",
            "REDIS_URL",
            "PAYOUT_KEY_SECRET",
            "PAYOUT_PROCESSOR_TOKEN",
            "SENTRY_DSN"
        ]
    );
}

#[test]
fn the_database_is_used_as_it_is_set() {
    let storage = config(&[
        "--postgres-connections=40",
        "--postgres-acquire-timeout-ms=700",
        "--postgres-statement-timeout-ms=9000",
        "--postgres-lock-timeout-ms=100",
        "--sqlite-readers=2",
        "--sqlite-busy-timeout-ms=900",
        "--read-connections=7",
        "--read-timeout-ms=800",
    ])
    .storage;
    let (postgres, sqlite) = (storage.postgres(), storage.sqlite());
    assert_eq!(
        (
            postgres.max_connections,
            sqlite.readers,
            postgres.reads.connections
        ),
        (40, 2, 7)
    );
    assert_eq!(
        [
            postgres.acquire_timeout,
            postgres.statement_timeout,
            postgres.lock_timeout,
            sqlite.busy_timeout,
            sqlite.reads.timeout
        ],
        [700, 9_000, 100, 900, 800].map(Duration::from_millis)
    );
    for (option, line) in [
        (
            "--postgres-connections=1",
            "PAYOUT_POSTGRES_CONNECTIONS: \"1\" is not a whole number from 2 to 1000",
        ),
        (
            "--postgres-acquire-timeout-ms=99",
            "PAYOUT_POSTGRES_ACQUIRE_TIMEOUT_MS: \"99\" is not a whole number from 100 to 60000",
        ),
        (
            "--postgres-statement-timeout-ms=999",
            "PAYOUT_POSTGRES_STATEMENT_TIMEOUT_MS: \"999\" is not a whole number from 1000 to 60000",
        ),
        (
            "--postgres-lock-timeout-ms=2001",
            "PAYOUT_POSTGRES_LOCK_TIMEOUT_MS: \"2001\" is not a whole number from 100 to 2000",
        ),
        (
            "--sqlite-readers=0",
            "PAYOUT_SQLITE_READERS: \"0\" is not a whole number from 1 to 64",
        ),
        (
            "--sqlite-busy-timeout-ms=1",
            "PAYOUT_SQLITE_BUSY_TIMEOUT_MS: \"1\" is not a whole number from 500 to 60000",
        ),
    ] {
        assert_eq!(refused(&[option]), line);
    }
    assert_eq!(
        refused(&[
            "--postgres-lock-timeout-ms=1500",
            "--postgres-statement-timeout-ms=1500"
        ]),
        "PAYOUT_POSTGRES_LOCK_TIMEOUT_MS: 1500 is not less than PAYOUT_POSTGRES_STATEMENT_TIMEOUT_MS (1500): a locked row \
         would look like a slow server"
    );
}

#[test]
fn two_processes_never_share_a_name() {
    assert_ne!(config(&[]).worker.name, config(&[]).worker.name);
}

#[test]
fn a_command_takes_options_on_either_side() {
    assert_eq!(
        config(&["worker", "--sweep-ms=7"]).worker.sweep_every,
        Duration::from_millis(7)
    );
    assert_eq!(
        config(&["--sweep-ms=7", "worker"]).worker.sweep_every,
        Duration::from_millis(7)
    );
    let json = Command::Openapi {
        format: DocumentFormat::Json,
    };
    assert_eq!(config(&["openapi", "--format=json"]).command, json);
    assert!(matches!(read(&["fly"]), Err(StartError::CommandLine(_))));
}

#[test]
fn keys_are_made_by_name_and_scopes() {
    use payout_core::access::Scope;

    let command = |line: &str| config(&line.split(' ').collect::<Vec<_>>()).command;
    assert_eq!(
        command("keys create billing --scopes read,write --expires-in-days 90"),
        Command::Keys(KeysCommand::Create {
            name: "billing".parse().unwrap(),
            scopes: vec![Scope::Read, Scope::Write],
            succeeds: None,
            expires_in_days: Some(90),
            owner: None,
        })
    );
    assert_eq!(
        command("keys create billing-2 --scopes read --succeeds billing"),
        Command::Keys(KeysCommand::Create {
            name: "billing-2".parse().unwrap(),
            scopes: vec![Scope::Read],
            succeeds: Some("billing".parse().unwrap()),
            expires_in_days: None,
            owner: None,
        })
    );
    assert_eq!(
        command("keys rotate billing"),
        Command::Keys(KeysCommand::Rotate {
            name: "billing".parse().unwrap(),
            overlap_minutes: 0,
        })
    );
    for line in [
        "keys create billing",
        "keys create api --scopes read",
        "keys create billing --scopes root",
        "keys create billing --scopes read --expires-in-days 0",
        "keys revoke",
    ] {
        let options: Vec<_> = line.split(' ').collect();
        assert!(
            matches!(read(&options), Err(StartError::CommandLine(_))),
            "{line}"
        );
    }
    assert!(refused(&["--database-url=memory:", "keys", "list"]).starts_with("DATABASE_URL: "));
}

#[test]
fn access_is_open_only_by_the_one_word_and_a_key_secret_is_long() {
    assert!(config(&["--auth=off"]).auth_off);
    for word in ["on", "false", "OFF"] {
        let line = refused(&["--auth", word]);
        assert_eq!(line, format!("PAYOUT_AUTH: {word:?} is not off"));
    }
    let secret = "unmistakable".repeat(3);
    let read = config(&["--key-secret", &secret]);
    assert!(read.key_secret.is_some() && !format!("{read:?}").contains("unmistakable"));
    let line = refused(&["--key-secret=unmistakable"]);
    assert_eq!(line, "PAYOUT_KEY_SECRET: a secret has at least 32 characters");
}

const KEY: &str = "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

#[test]
fn postgresql_needs_a_key_as_soon_as_others_may_reach_the_service() {
    let local = "--database-url=postgres://u:p@127.0.0.1/db";
    let remote = "--database-url=postgres://u:p@db.example/db";
    for allowed in [
        &["run", local][..],
        &["serve", remote],
        &["worker", local],
        &["worker", "--database-url=postgres:///db?host=/run/postgresql"],
        &["worker", "--database-url=postgres://u@[::1]/db"],
        &["migrate", remote],
        &["doctor", remote, "--bind=0.0.0.0:1"],
        &["serve", "--bind=0.0.0.0:1"],
    ] {
        assert!(config(allowed).keyring.is_empty(), "{allowed:?}");
    }
    let encrypted = format!("--encryption-keys={KEY}");
    for refused_alone in [
        &["run", local, "--bind=0.0.0.0:1"][..],
        &["serve", remote, "--bind=[::]:1"],
        &["worker", remote],
        &[
            "worker",
            "--database-url=postgres://u@127.0.0.1/db?host=db.example",
        ],
        &["encryption", "rotate"],
        &["keys-rotate"],
    ] {
        let line = refused(refused_alone);
        assert!(
            line.starts_with("PAYOUT_ENCRYPTION_KEYS: is needed, since "),
            "{line}"
        );
        let with_key = config(&[refused_alone, &[&encrypted]].concat());
        assert_eq!(with_key.keyring.ids().collect::<Vec<_>>(), ["k1"]);
    }
}

#[test]
fn encryption_keys_are_not_shown() {
    let config = config(&[&format!("--encryption-keys={KEY}")]);
    let shown = format!("{config:?}");
    assert!(
        shown.contains("keyring: [Key(k1: ***)]") && !shown.contains("AAECAw"),
        "{shown}"
    );
    let line = refused(&["--encryption-keys=k1:hunter2"]);
    assert!(
        line.starts_with("PAYOUT_ENCRYPTION_KEYS: ") && !line.contains("hunter2"),
        "{line}"
    );
}

#[test]
fn a_rate_that_is_set_holds_for_this_host_too() {
    let limits = config(&["--rate-per-key=600/m", "--rate-per-address=5/s"]).limits;
    for (limit, quota) in [(limits.per_key, "600/m"), (limits.per_address, "5/s")] {
        let limit = limit.unwrap();
        assert_eq!(limit.quota, quota.parse().unwrap());
        assert!(!limit.spares_this_host);
    }
    let off = config(&["--rate-per-key=off", "--rate-per-address=off"]).limits;
    assert!(off.per_key.is_none() && off.per_address.is_none());
    assert_eq!("50/h".parse::<Quota>().unwrap().to_string(), "50 an hour");
}

#[test]
fn limits_that_are_none_are_refused_by_name() {
    for (option, value) in [
        ("PAYOUT_RATE_PER_KEY", "0"),
        ("PAYOUT_RATE_PER_KEY", "100"),
        ("PAYOUT_RATE_PER_KEY", "0/s"),
        ("PAYOUT_RATE_PER_KEY", "-1"),
        ("PAYOUT_RATE_PER_KEY", "+1"),
        ("PAYOUT_RATE_PER_KEY", "1/d"),
        ("PAYOUT_RATE_PER_KEY", "1/"),
        ("PAYOUT_RATE_PER_KEY", "1.5/s"),
        ("PAYOUT_RATE_PER_ADDRESS", "1000001"),
        ("PAYOUT_RATE_PER_ADDRESS", "OFF"),
        ("PAYOUT_MAX_IN_FLIGHT", "0"),
        ("PAYOUT_MAX_CONNECTIONS", "many"),
        ("PAYOUT_MAX_BODY_BYTES", "64k"),
        ("PAYOUT_MAX_BODY_BYTES", "16777217"),
        ("PAYOUT_HEADER_TIMEOUT_MS", "0"),
        ("PAYOUT_BODY_TIMEOUT_MS", "1s"),
        ("PAYOUT_HANDLER_TIMEOUT_MS", "86400001"),
        ("PAYOUT_TRUSTED_PROXIES", "10.0.0.0/33"),
        ("PAYOUT_TRUSTED_PROXIES", "10.0.0.1,proxy.example"),
    ] {
        let flag = format!(
            "--{}",
            option
                .trim_start_matches("PAYOUT_")
                .to_lowercase()
                .replace('_', "-")
        );
        let line = refused(&[&format!("{flag}={value}")]);
        assert!(line.starts_with(&format!("{option}: ")), "{value}: {line}");
        assert!(!line.contains('\n'), "{line}");
    }
}

#[test]
fn trusted_proxies_are_addresses_and_networks() {
    let proxies = |text| {
        config(&[&format!("--trusted-proxies={text}")])
            .limits
            .trusted_proxies
    };
    let read: Vec<String> = proxies("10.1.2.3/8, 192.0.2.7,2001:db8::/32,")
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(read, ["10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32"]);
    assert!(proxies("").is_empty());
}

#[test]
fn limits_of_money_are_read_whole_and_what_is_none_is_named() {
    let limits = config(&["--limits", "usd=1000/50000, JPY=/2000000"]).money_limits;
    assert_eq!(limits.to_string(), "USD=1000.00/50000.00,JPY=/2000000");
    assert!(config(&["--limits="]).money_limits.is_empty());
    for (text, part) in [
        ("USD", "\"USD\": use CURRENCY=MAXIMUM"),
        ("USD=1,USD=2", "\"USD=2\": This currency has limits already."),
        (
            "EUR=1,USD=0",
            "\"USD=0\": Ensure this value is greater than zero.",
        ),
        (
            "JPY=0.5",
            "\"JPY=0.5\": Ensure that there are no more than 0 decimal places",
        ),
        (
            "USD=2/1",
            "\"USD=2/1\": The maximum of one payout may not exceed that of a day.",
        ),
    ] {
        let line = refused(&["--limits", text]);
        assert!(line.starts_with(&format!("PAYOUT_LIMITS: {part}")), "{line}");
    }
}

#[test]
fn a_provider_is_paid_through_or_not_named() {
    for (option, variable) in [
        ("--processor-url=https://bank.example/v1", "PAYOUT_PROCESSOR_URL"),
        ("--processor-token=hunter2", "PAYOUT_PROCESSOR_TOKEN"),
    ] {
        for processor in ["--processor=simulated", "--processor="] {
            let line = refused(&[option, processor]);
            let rest = "is set, but the provider is simulated and nobody would be paid: set PAYOUT_PROCESSOR=http, or unset it";
            assert_eq!(line, format!("{variable}: {rest}"));
        }
    }
    assert!(matches!(
        config(&["--processor-url= ", "--processor-token="]).processor,
        ProcessorConfig::Simulated { .. }
    ));
}

#[test]
fn a_setting_of_the_simulated_provider_is_refused_beside_another_one() {
    let http = ["--processor=http", "--processor-url=https://bank.example/v1"];
    for (option, variable) in [
        ("--simulated-delay-ms=2000", "PAYOUT_SIMULATED_DELAY_MS"),
        ("--simulated-failure-rate=0.5", "PAYOUT_SIMULATED_FAILURE_RATE"),
    ] {
        let line = refused(&[http[0], http[1], option]);
        let rest = "is set, but the provider is not simulated: set PAYOUT_PROCESSOR=simulated, or unset it";
        assert_eq!(line, format!("{variable}: {rest}"));
        for processor in ["--processor=simulated", "--processor="] {
            let simulated = config(&[processor, option]).processor;
            assert!(
                matches!(simulated, ProcessorConfig::Simulated { .. }),
                "{simulated:?}"
            );
        }
    }
}

#[test]
fn a_rate_says_its_unit() {
    let line = refused(&["--rate-per-key=100"]);
    let rest = "a rate with its unit, such as 1000/s, 600/m or 50/h (1 to 1000000 requests), and not off";
    assert_eq!(line, format!("PAYOUT_RATE_PER_KEY: \"100\" is not {rest}"));
}

#[test]
fn help_and_the_document_need_no_settings() {
    let early = |line: &[&str]| Config::without_settings(line.iter().copied());
    assert_eq!(
        early(&["payout", "openapi", "--format=json"]).unwrap(),
        Some(DocumentFormat::Json)
    );
    for line in [
        &["payout"][..],
        &["payout", "run"],
        &["payout", "walk"],
        &["payout", "serve", "--restored"],
    ] {
        assert_eq!(early(line).unwrap(), None, "{line:?}");
    }
    for line in [
        &["payout", "--help"][..],
        &["payout", "-V"],
        &["payout", "help", "keys"],
    ] {
        assert!(early(line).is_err(), "{line:?}");
    }
}
