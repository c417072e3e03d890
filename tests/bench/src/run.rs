//! A run: its servers, its plan, and its progress messages.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::Outcome;
use crate::clock::{self, Instant};
use crate::database::{Database, Servers};
use crate::load::seconds;
use crate::pgbench::Pgbench;
use crate::service::Services;
use crate::settings::Plan;
use crate::table::Row;

/// Prints a progress line.
pub(crate) fn say(line: &str) {
    eprintln!("bench: {line}");
}

pub(crate) struct Run {
    pub(crate) services: Services,
    pub(crate) plan: Plan,
    servers: Servers,
    begun: Instant,
    fresh: AtomicU32,
}

impl Run {
    pub(crate) async fn start(services: Services, plan: Plan) -> Outcome<Self> {
        say("starting PostgreSQL and Redis");
        Ok(Self {
            servers: Servers::start().await?,
            services,
            plan,
            begun: clock::now(),
            fresh: AtomicU32::new(0),
        })
    }

    pub(crate) async fn database(&self, name: &str) -> Outcome<Database> {
        self.database_for(&self.services, name).await
    }

    /// Creates a database with the schema of this build.
    pub(crate) async fn database_for(&self, services: &Services, name: &str) -> Outcome<Database> {
        self.servers.database(name, services).await
    }

    /// Creates one more database of this kind.
    pub(crate) async fn fresh_database(&self, kind: &str) -> Outcome<Database> {
        let number = self.fresh.fetch_add(1, Ordering::Relaxed);
        self.database(&format!("{kind}_{number}")).await
    }

    pub(crate) fn pgbench(&self, database: &Database) -> Outcome<Pgbench> {
        Pgbench::new(&self.services.folder, &database.url)
    }

    pub(crate) fn note(&self, what: &str) {
        say(&format!("{:4.0} s  {what}", seconds(self.begun, clock::now())));
    }

    pub(crate) fn round(&self, round: usize, row: &Row) {
        let last = |values: &[f64]| values.last().copied().unwrap_or(f64::NAN);
        self.note(&format!(
            "{}, round {round} of {}: {:.0} beside {:.0} {}",
            row.work,
            self.plan.rounds,
            last(&row.ours),
            last(&row.theirs),
            row.unit
        ));
    }

    pub(crate) fn done(&self, row: &Row) {
        self.note(&row.line());
    }
}
