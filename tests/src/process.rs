//! The binary as a child process.

use std::fmt::Write as _;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::body::PERSONAL;
use crate::wait::{SOON, eventually};

/// The output of a process so far.
#[derive(Clone, Default)]
struct Output(Arc<Mutex<Vec<u8>>>);

impl Output {
    /// Reads until the pipe ends.
    fn follow(&self, mut pipe: impl Read + Send + 'static) -> JoinHandle<()> {
        let kept = self.0.clone();
        std::thread::spawn(move || {
            let mut chunk = [0; 8192];
            while let Ok(read @ 1..) = pipe.read(&mut chunk) {
                kept.lock().unwrap().extend_from_slice(&chunk[..read]);
            }
        })
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

/// A running process, killed when dropped. When the test fails, its output is shown. When the test passes, the output
/// is checked: it may contain no panic and nothing that identifies a recipient.
pub struct Process {
    name: String,
    child: Child,
    stdout: Output,
    stderr: Output,
    readers: Vec<JoinHandle<()>>,
}

impl Process {
    /// Starts `binary` in `folder`, with no environment except `PATH` and these variables.
    pub fn start(binary: &str, args: &[&str], env: &[(String, String)], folder: &Path) -> Self {
        let mut command = Command::new(binary);
        command.args(args).current_dir(folder).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.envs(env.iter().map(|(name, value)| (name, value)));
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let (stdout, stderr) = (Output::default(), Output::default());
        let readers = vec![
            stdout.follow(child.stdout.take().unwrap()),
            stderr.follow(child.stderr.take().unwrap()),
        ];
        Self {
            name: format!("payout {}", args.join(" ")),
            child,
            stdout,
            stderr,
            readers,
        }
    }

    /// Returns its log so far.
    pub fn log(&self) -> String {
        self.stderr.text()
    }

    /// Returns its standard output so far.
    pub fn printed(&self) -> String {
        self.stdout.text()
    }

    /// Returns its exit status, if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Returns the process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &id])
            .status()
            .unwrap();
        assert!(sent.success(), "cannot send {name} to {}", self.name);
    }

    /// Waits until it ends, and reads the rest of its output.
    pub async fn end_within(&mut self, bound: Duration) -> ExitStatus {
        let name = self.name.clone();
        let what = format!("{name} ends");
        let status = eventually(&what, bound, async || self.ended()).await;
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        status
    }

    /// Asks it to stop, and waits until it has ended.
    pub async fn terminate(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.end_within(SOON).await
    }

    /// Kills it in the middle of its work.
    pub fn kill(&mut self) {
        // SIGKILL ends a frozen process too. It fails only when the process has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
    }

    fn check(&self) {
        let (log, printed) = (self.log(), self.printed());
        for personal in PERSONAL {
            assert!(
                !log.contains(personal),
                "{} logs personal data: {personal}\n{log}",
                self.name
            );
            assert!(
                !printed.contains(personal),
                "{} prints personal data: {personal}",
                self.name
            );
        }
        assert!(!log.contains("panicked at"), "{} panicked:\n{log}", self.name);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if !std::thread::panicking() {
            self.check();
            return;
        }
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let mut shown = String::new();
        // A debug log is long, and its end is the most useful part.
        for line in &lines[lines.len().saturating_sub(150)..] {
            let _ = writeln!(shown, "    {line}");
        }
        eprintln!("---- {} logged:\n{shown}", self.name);
    }
}
