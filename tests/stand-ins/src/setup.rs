//! The setup of the service for a stand-in: a file of providers, and the secrets that it names.

use std::fs::{DirBuilder, File};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// The keys of a provider in the service's file of providers, for one stand-in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Setup {
    /// The keys of its kind, with their values.
    pub keys: Vec<(&'static str, String)>,
    /// The keys that name a file, with the file's content.
    pub files: Vec<(&'static str, String)>,
}

impl Setup {
    /// Writes the file of providers and the files that it names into a folder; returns the path of the first. The
    /// provider has the name of its kind, is paid every payout, and is polled every second.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn write(&self, kind: &str, folder: &Path) -> std::io::Result<PathBuf> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let mut text = format!("# Written by payout-stand-in.\n[providers.{kind}]\nkind = \"{kind}\"\n");
        for (key, value) in &self.keys {
            text.push_str(&format!("{key} = \"{value}\"\n"));
        }
        for (key, content) in &self.files {
            let name = key.trim_end_matches("_file").replace('_', "-");
            write(&folder.join(&name), content)?;
            text.push_str(&format!("{key} = \"{name}\"\n"));
        }
        text.push_str(&format!(
            "poll_interval_ms = 1000\n\n[[routes]]\nuse = [\"{kind}\"]\n"
        ));
        let path = folder.join("providers.toml");
        write(&path, &text)?;
        Ok(path)
    }
}

/// Writes a file that only this user can read.
fn write(path: &Path, content: &str) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    file.write_all(content.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_user_can_read_what_is_written_and_it_may_be_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let setup = Setup {
            keys: vec![("url", "http://127.0.0.1:8090".to_owned())],
            files: vec![("api_key_file", "stand-in".to_owned())],
        };
        for _ in 0..2 {
            let path = setup.write("adyen", &folder.path().join("adyen")).unwrap();
            assert_eq!(
                std::fs::read_to_string(&path).unwrap(),
                "# Written by payout-stand-in.\n[providers.adyen]\nkind = \"adyen\"\nurl = \"http://127.0.0.1:8090\"\n\
                 api_key_file = \"api-key\"\npoll_interval_ms = 1000\n\n[[routes]]\nuse = [\"adyen\"]\n"
            );
            let secret = path.with_file_name("api-key");
            assert_eq!(std::fs::read_to_string(&secret).unwrap(), "stand-in");
            assert_eq!(secret.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}
