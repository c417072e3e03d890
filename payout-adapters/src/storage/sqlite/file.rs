//! The database file: its permissions, and whether its name still leads to the open file.
//!
//! SQLite continues with the open file when somebody deletes, moves or replaces it. Acknowledged writes after that are
//! lost at the next start.
//!
//! So the file behind the name is compared with the open one before and after each write. Once they differ, nothing is
//! read or written until the file is back under its name. Continuing with another file would send payouts again that
//! were sent already.

use std::fs::{self, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::storage::sql::error::SqlError;

/// The mode for this user alone.
const PRIVATE: u32 = 0o600;

/// The permission bits of other users.
const GROUP_AND_OTHERS: u32 = 0o077;

/// The database file, and the two that SQLite keeps beside it.
#[derive(Debug)]
pub(super) struct DatabaseFile {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    made_private: bool,
    log_saved: bool,
    opened: Option<Opened>,
}

/// The files behind the names when they were opened.
#[derive(Debug)]
struct Opened {
    main: FileId,
    /// The log and its index, with their names: known from the first write on.
    beside: Vec<(PathBuf, FileId)>,
}

/// The identity of a file, independent of its name.
#[derive(Debug, Clone, Copy)]
struct FileId {
    device: u64,
    inode: u64,
    empty: bool,
}

impl DatabaseFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic cannot leave the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Creates a missing file, and restricts its permissions to this user, once. Errors are ignored: SQLite reports
    /// them better, or the file belongs to another user.
    pub(super) fn make_private(&self) {
        if std::mem::replace(&mut self.state().made_private, true) {
            return;
        }
        let new = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(PRIVATE)
            .open(&self.path);
        if new.is_ok() {
            return;
        }
        for path in [self.path.clone(), self.beside("-wal"), self.beside("-shm")] {
            if let Ok(metadata) = fs::metadata(&path)
                && metadata.is_file()
                && metadata.mode() & GROUP_AND_OTHERS != 0
            {
                let mode = metadata.mode() & 0o777 & !GROUP_AND_OTHERS;
                let _ = fs::set_permissions(&path, Permissions::from_mode(mode));
            }
        }
    }

    /// Records the file that SQLite has opened, the first time.
    pub(super) fn has_been_opened(&self) {
        let mut state = self.state();
        if state.opened.is_none() {
            state.opened = id(&self.path).ok().flatten().map(|main| Opened {
                main,
                beside: Vec::new(),
            });
        }
    }

    /// Records the log and its index, the first time: a write has begun, so they exist.
    pub(super) fn has_its_log(&self) {
        let mut state = self.state();
        let Some(opened) = state.opened.as_mut().filter(|opened| opened.beside.is_empty()) else {
            return;
        };
        let files = [self.beside("-wal"), self.beside("-shm")];
        let files = files.into_iter().filter_map(|path| {
            let id = id(&path).ok().flatten()?;
            Some((path, id))
        });
        opened.beside = files.collect();
    }

    /// Returns whether the log's files are known: from then on some connection must keep the database open.
    pub(super) fn knows_its_log(&self) -> bool {
        let state = self.state();
        state
            .opened
            .as_ref()
            .is_some_and(|opened| !opened.beside.is_empty())
    }

    /// Checks that the names still lead to the open files.
    ///
    /// # Errors
    /// [`SqlError::FileReplaced`], with the name that does not.
    pub(super) fn check(&self) -> Result<(), sqlx::Error> {
        let state = self.state();
        let Some(opened) = &state.opened else {
            return Ok(());
        };
        opened.is_main_there(&self.path)?;
        for (path, was) in &opened.beside {
            compare(path, id(path), was)?;
        }
        Ok(())
    }

    /// Returns whether the file exists and its log does not; true once only.
    pub(super) fn has_lost_its_log_alone(&self) -> bool {
        if self.check().is_ok() {
            return false;
        }
        let mut state = self.state();
        let opened = state.opened.as_ref();
        let main_is_there = opened.is_some_and(|opened| opened.is_main_there(&self.path).is_ok());
        main_is_there && !std::mem::replace(&mut state.log_saved, true)
    }

    /// Returns the name of a file beside the database. SQLite puts these files beside the real one, wherever links
    /// lead.
    fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = fs::canonicalize(&self.path)
            .unwrap_or_else(|_| self.path.clone())
            .into_os_string();
        name.push(suffix);
        name.into()
    }
}

impl Opened {
    /// Checks that the main file is under its name. Once it has been written to, it has at least one page and never
    /// becomes shorter than that.
    fn is_main_there(&self, path: &Path) -> Result<(), sqlx::Error> {
        let is = id(path).map(|id| id.filter(|id| self.beside.is_empty() || !id.empty));
        compare(path, is, &self.main)
    }
}

fn compare(path: &Path, is: io::Result<Option<FileId>>, was: &FileId) -> Result<(), sqlx::Error> {
    let is_same = match is {
        Ok(Some(is)) => (is.device, is.inode) == (was.device, was.inode),
        Ok(None) => false,
        // A file whose status cannot be read for a moment is left to SQLite, which has it open.
        Err(_) => true,
    };
    if is_same {
        return Ok(());
    }
    let path = path.to_owned();
    Err(sqlx::Error::Io(io::Error::other(SqlError::FileReplaced { path })))
}

/// Returns the identity of the file that a name leads to, if any.
fn id(path: &Path) -> io::Result<Option<FileId>> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(Some(FileId {
            device: metadata.dev(),
            inode: metadata.ino(),
            empty: metadata.len() == 0,
        })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
