//! The person who approves on the command line, identified by an API key: a client of the database may not thereby
//! approve in anybody's name.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use payout_core::access::{Principal, Scope};
use payout_core::payout::Caller;
use payout_core::usecase::api_keys::{ApiKeys, Found};

/// The largest file that is read for a key.
const MOST_BYTES: u64 = 4096;

/// Returns the owner of the key in this file, for steps that ask for the scope `approve`; or one line that says why the
/// key does not do.
pub(crate) async fn approver(keys: &ApiKeys, file: &Path) -> Result<Caller, String> {
    let token = read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let keyring = keys.keyring();
    keyring.refresh().await.map_err(|error| error.to_string())?;
    match keyring.ask(Some(token.trim()), false) {
        Found::Known(principal) => may_approve(&principal),
        Found::NoKeys => {
            Err("there are no API keys: make one for each person (`payout keys create`)".to_owned())
        }
        Found::Nobody => Err(format!(
            "{}: this is no valid API key: make one with `payout keys create NAME --scopes approve`",
            file.display()
        )),
        Found::Unknown { .. } => Err("the API keys cannot be read; try again".to_owned()),
    }
}

fn may_approve(principal: &Principal) -> Result<Caller, String> {
    if principal.may(Scope::Approve) {
        Ok(principal.caller())
    } else {
        Err(format!(
            "the API key {} lacks the scope approve: use a key that has it",
            principal.name()
        ))
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    if path.as_os_str() == "-" {
        io::stdin().lock().take(MOST_BYTES).read_to_string(&mut text)?;
    } else {
        File::open(path)?.take(MOST_BYTES).read_to_string(&mut text)?;
    }
    Ok(text)
}
