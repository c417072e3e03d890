//! The database file as it was when it was opened: its permissions, and whether its name still leads to it.
//!
//! SQLite goes on with the file that it has open when somebody deletes, moves or replaces it: whatever is written then is
//! gone at the next start, acknowledged or not. So the file behind the name is compared with the open one before and after
//! each write. Once they differ nothing is read or written until the file is back under its name: to go on with
//! another file would send what was sent already.

use std::fs::{self, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::storage::sql::error::SqlError;

/// For this user alone.
const PRIVATE: u32 = 0o600;

/// What others have no business with.
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

/// What was behind the names when they were opened.
#[derive(Debug)]
struct Opened {
    main: FileId,
    /// The log and its index, with their names: known from the first write on.
    beside: Vec<(PathBuf, FileId)>,
}

/// A file, whatever it is called.
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
        // No panic can leave it half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the file, where it is missing, and its permissions this user's alone, once. What fails here SQLite tells
    /// better, or it is a file of somebody else's.
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

    /// SQLite has opened it: remembers which file it is, the first time.
    pub(super) fn has_been_opened(&self) {
        let mut state = self.state();
        if state.opened.is_none() {
            state.opened = id(&self.path).ok().flatten().map(|main| Opened {
                main,
                beside: Vec::new(),
            });
        }
    }

    /// A write has begun, so that there are a log and its index: remembers them too, the first time.
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

    /// Whether the log's files are known: from then on somebody must keep the database open.
    pub(super) fn knows_its_log(&self) -> bool {
        let state = self.state();
        state
            .opened
            .as_ref()
            .is_some_and(|opened| !opened.beside.is_empty())
    }

    /// Whether the names still lead to what is open.
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

    /// Whether the file is there and its log is not, the first time that it is asked since.
    pub(super) fn has_lost_its_log_alone(&self) -> bool {
        if self.check().is_ok() {
            return false;
        }
        let mut state = self.state();
        let opened = state.opened.as_ref();
        let main_is_there = opened.is_some_and(|opened| opened.is_main_there(&self.path).is_ok());
        main_is_there && !std::mem::replace(&mut state.log_saved, true)
    }

    /// SQLite puts its files beside the real one, wherever links lead.
    fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = fs::canonicalize(&self.path)
            .unwrap_or_else(|_| self.path.clone())
            .into_os_string();
        name.push(suffix);
        name.into()
    }
}

impl Opened {
    /// Once it was written to, it has a page at least, and is never made shorter than that.
    fn is_main_there(&self, path: &Path) -> Result<(), sqlx::Error> {
        let is = id(path).map(|id| id.filter(|id| self.beside.is_empty() || !id.empty));
        compare(path, is, &self.main)
    }
}

fn compare(path: &Path, is: io::Result<Option<FileId>>, was: &FileId) -> Result<(), sqlx::Error> {
    let is_same = match is {
        Ok(Some(is)) => (is.device, is.inode) == (was.device, was.inode),
        Ok(None) => false,
        // What cannot be looked at for a moment is left to SQLite, which has it open.
        Err(_) => true,
    };
    if is_same {
        return Ok(());
    }
    let path = path.to_owned();
    Err(sqlx::Error::Io(io::Error::other(SqlError::FileReplaced { path })))
}

/// Which file a name leads to, if to any.
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
