//! The processes of the service and of the providers: started, killed, frozen and restarted, with a record of each.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::Outcome;
use crate::clock::{self, Time};
use crate::plan::Role;

/// Sends a signal to a child, unless it has ended.
pub(crate) fn signal(id: Option<u32>, signal: Signal) {
    if let Some(id) = id.and_then(|id| i32::try_from(id).ok()) {
        let _ = kill(Pid::from_raw(id), signal);
    }
}

/// A process from its start to its end.
#[derive(Debug, Clone)]
pub(crate) struct Life {
    pub(crate) role: Role,
    pub(crate) id: u32,
    pub(crate) born: Time,
    /// The times at which it was frozen, each with the time at which it resumed.
    pub(crate) frozen: Vec<(Time, Option<Time>)>,
    pub(crate) killed: Option<Time>,
    /// The exit status, if the process ended although the drill had not killed it.
    pub(crate) ended_by_itself: Option<String>,
}

struct Slot {
    role: Role,
    name: String,
    binary: PathBuf,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
    /// The process id of the current process.
    id: Mutex<Option<u32>>,
}

struct Shared {
    folder: PathBuf,
    variables: Vec<(String, String)>,
    lives: Mutex<Vec<Life>>,
    stopping: watch::Sender<bool>,
}

/// Every process of the service, and the stand-ins for real providers. Each is restarted when it ends.
pub(crate) struct Fleet {
    shared: Arc<Shared>,
    slots: HashMap<(Role, usize), Arc<Slot>>,
    keepers: JoinSet<()>,
    pub(crate) servers: Vec<String>,
    /// The API key of clients and operators.
    pub(crate) key: String,
    /// The API key of the person who approves.
    pub(crate) approver: String,
}

impl Fleet {
    pub(crate) async fn start(
        binary: &Path,
        folder: &Path,
        variables: Vec<(String, String)>,
        ports: &[u16],
        workers: usize,
        stand_ins: Vec<(String, Vec<String>)>,
    ) -> Outcome<Self> {
        let shared = Arc::new(Shared {
            folder: folder.to_owned(),
            variables,
            lives: Mutex::default(),
            stopping: watch::Sender::new(false),
        });
        let migrated = shared
            .command(binary, &["migrate".to_owned()], "migrate")?
            .status();
        if !timeout(Duration::from_secs(60), migrated).await??.success() {
            return Err("`payout migrate` failed".into());
        }
        let key = shared.create_key(binary, "drill", "admin").await?;
        let approver = shared.create_key(binary, "approver", "read,approve").await?;
        let mut fleet = Self {
            key,
            approver,
            shared,
            slots: HashMap::new(),
            keepers: JoinSet::new(),
            servers: Vec::new(),
        };
        for (place, (name, arguments)) in stand_ins.into_iter().enumerate() {
            fleet.keep(
                place,
                Slot {
                    role: Role::Provider,
                    name,
                    binary: binary.with_file_name("payout-stand-in"),
                    arguments,
                    variables: Vec::new(),
                    id: Mutex::default(),
                },
            );
        }
        for (place, port) in ports.iter().enumerate() {
            fleet.servers.push(format!("http://127.0.0.1:{port}"));
            let bind = ("PAYOUT_BIND".to_owned(), format!("127.0.0.1:{port}"));
            fleet.keep(
                place,
                Slot::of_service(Role::Serve, "serve", place, binary, vec![bind]),
            );
        }
        for place in 0..workers {
            let slot = Slot::of_service(Role::Worker, "worker", place, binary, Vec::new());
            fleet.keep(place, slot);
        }
        Ok(fleet)
    }

    fn keep(&mut self, place: usize, slot: Slot) {
        let slot = Arc::new(slot);
        self.slots.insert((slot.role, place), slot.clone());
        self.keepers.spawn(self.shared.clone().keep(slot));
    }

    /// Sends SIGKILL, in the middle of the process's work.
    pub(crate) fn kill(&self, role: Role, place: usize) -> bool {
        self.signal(role, place, Signal::SIGKILL, |life| {
            life.killed = Some(clock::now())
        })
    }

    /// Sends SIGSTOP, and SIGCONT after a while.
    pub(crate) async fn freeze(&self, role: Role, place: usize, length: Duration) -> bool {
        if !self.signal(role, place, Signal::SIGSTOP, |life| {
            life.frozen.push((clock::now(), None))
        }) {
            return false;
        }
        sleep(length).await;
        self.signal(role, place, Signal::SIGCONT, |life| {
            if let Some((_, until)) = life.frozen.last_mut() {
                *until = Some(clock::now());
            }
        })
    }

    /// Records a signal and then sends it: an event in between happened to a process that was about to die.
    fn signal(&self, role: Role, place: usize, sent: Signal, note: impl FnOnce(&mut Life)) -> bool {
        let Some(slot) = self.slots.get(&(role, place)) else {
            return false;
        };
        let id = slot.id.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(id) = *id else { return false };
        if let Some(life) = self.shared.lives().iter_mut().rev().find(|life| life.id == id) {
            note(life);
        }
        signal(Some(id), sent);
        true
    }

    pub(crate) fn lives(&self) -> Vec<Life> {
        self.shared.lives().clone()
    }

    /// Sends SIGTERM, and SIGKILL to processes that do not end. Returns every life, and the names of the processes that
    /// had to be killed.
    pub(crate) async fn stop(mut self) -> (Vec<Life>, Vec<String>) {
        self.shared.stopping.send_replace(true);
        for slot in self.slots.values() {
            let id = *slot.id.lock().unwrap_or_else(PoisonError::into_inner);
            signal(id, Signal::SIGCONT);
            signal(id, Signal::SIGTERM);
        }
        let mut late = Vec::new();
        if timeout(Duration::from_secs(30), async {
            while self.keepers.join_next().await.is_some() {}
        })
        .await
        .is_err()
        {
            for slot in self.slots.values() {
                if slot.id.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
                    late.push(slot.name.clone());
                }
            }
            self.keepers.shutdown().await;
        }
        (self.lives(), late)
    }
}

impl Slot {
    fn of_service(
        role: Role,
        command: &str,
        place: usize,
        binary: &Path,
        variables: Vec<(String, String)>,
    ) -> Self {
        Self {
            role,
            name: format!("{command}-{place}"),
            binary: binary.to_owned(),
            arguments: vec![command.to_owned()],
            variables,
            id: Mutex::default(),
        }
    }
}

impl Shared {
    fn lives(&self) -> MutexGuard<'_, Vec<Life>> {
        self.lives.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn command(&self, binary: &Path, arguments: &[String], name: &str) -> Outcome<Command> {
        let log = self.folder.join(format!("{name}.log"));
        let log = std::fs::File::options().create(true).append(true).open(log)?;
        let mut command = Command::new(binary);
        // The process gets nothing from the caller's environment, and no .env of the working folder.
        command.args(arguments).current_dir(&self.folder).env_clear();
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        command.process_group(0).kill_on_drop(true);
        Ok(command)
    }

    /// Creates an API key of a person, and returns its token.
    async fn create_key(&self, binary: &Path, name: &str, scopes: &str) -> Outcome<String> {
        let arguments = ["keys", "create", name, "--scopes", scopes, "--owner", name];
        let mut command = self.command(binary, &arguments.map(str::to_owned), "keys")?;
        let output = timeout(Duration::from_secs(30), command.stdout(Stdio::piped()).output()).await??;
        if !output.status.success() {
            return Err("`payout keys create` failed".into());
        }
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    async fn keep(self: Arc<Self>, slot: Arc<Slot>) {
        while !*self.stopping.borrow() {
            let Ok(mut child) = self.start(&slot) else {
                sleep(Duration::from_millis(200)).await;
                continue;
            };
            let id = child.id();
            let status = child.wait().await;
            *slot.id.lock().unwrap_or_else(PoisonError::into_inner) = None;
            let stopping = *self.stopping.borrow();
            if let Some(life) = self.lives().iter_mut().rev().find(|life| Some(life.id) == id)
                && life.killed.is_none()
                && !(stopping && status.as_ref().is_ok_and(std::process::ExitStatus::success))
            {
                let how = status.map_or_else(|error| error.to_string(), |status| status.to_string());
                life.ended_by_itself = Some(format!("{}: {how}", slot.name));
            }
        }
    }

    fn start(&self, slot: &Slot) -> Outcome<Child> {
        let mut command = self.command(&slot.binary, &slot.arguments, &slot.name)?;
        command.envs(slot.variables.iter().map(|(name, value)| (name, value)));
        let mut lives = self.lives();
        let child = command.spawn()?;
        let id = child.id().ok_or("no id")?;
        lives.push(Life {
            role: slot.role,
            id,
            born: clock::now(),
            frozen: Vec::new(),
            killed: None,
            ended_by_itself: None,
        });
        drop(lives);
        *slot.id.lock().unwrap_or_else(PoisonError::into_inner) = Some(id);
        Ok(child)
    }
}
