//! Files of secrets that the file of providers names.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use payout_adapters::Secret;

use crate::settings::secrets;

/// The permissions that a secret's file may not grant: any to its group and to others. A file of root's may let its
/// group read it, which is how containers receive secrets (`fsGroup` of Kubernetes). PostgreSQL has this rule for the
/// key of its server.
fn forbidden(owner: u32) -> u32 {
    if owner == 0 { 0o037 } else { 0o077 }
}

/// Reads a secret. The message of a refusal shows neither the content nor the name of the file, which may be a secret
/// that went astray.
pub(super) fn read(path: &Path) -> Result<Secret, String> {
    let file =
        File::open(path).map_err(|error| format!("cannot read the file that it names: {}", error.kind()))?;
    let metadata = file
        .metadata()
        .map_err(|error| format!("cannot read the file that it names: {}", error.kind()))?;
    let mode = metadata.mode() & 0o777;
    if metadata.is_file() && mode & forbidden(metadata.uid()) != 0 {
        return Err(format!(
            "other users can open the file that it names (its mode is {mode:03o}): chmod 600"
        ));
    }
    secrets::content(file).map_err(|message| message.replace("the file", "the file that it names"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_file_of_root_may_be_open_to_its_group_and_none_to_others() {
        let user = 1000;
        for (owner, mode, fits) in [
            (user, 0o600, true),
            (user, 0o400, true),
            (user, 0o640, false),
            (user, 0o604, false),
            (0, 0o600, true),
            (0, 0o440, true),
            (0, 0o460, false),
            (0, 0o444, false),
        ] {
            assert_eq!(mode & forbidden(owner) == 0, fits, "{owner} {mode:o}");
        }
    }
}
