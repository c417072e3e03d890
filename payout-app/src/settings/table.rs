//! The table of settings: the name of each, its meaning, its default, and the part of the service that reads it.
//!
//! A section's file declares its rows with [`section!`], and [`SECTIONS`] has all sections. From the rows come the options of the
//! command line, the names that are known, README's table, `.env.example`, and the variables that docker-compose.yml passes on.

use super::ConfigError;
use super::values::Values;
use super::{
    access, api, approvals, database, encryption, limits, log, money, provider, queue, reports, storage,
    webhooks, worker,
};

/// Every section, in the order in which help and documents show them. Sections that share a title are shown as one.
pub(super) const SECTIONS: &[Section] = &[
    database::SECTION,
    storage::SECTION,
    encryption::SECTION,
    queue::SECTION,
    api::ADDRESSES,
    api::SECTION,
    access::SECTION,
    money::SECTION,
    approvals::SECTION,
    limits::SECTION,
    provider::SECTION,
    worker::SECTION,
    webhooks::SECTION,
    log::SECTION,
    reports::SECTION,
];

/// Settings that belong together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Section {
    /// The heading in help and documents.
    pub(super) title: &'static str,
    /// Its settings.
    pub(super) rows: &'static [Row],
}

/// One setting.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    /// The environment variable.
    pub(super) variable: &'static str,
    /// The variable that names a file with the value, where the setting is a secret.
    pub(super) file_variable: &'static str,
    /// The option of the command line, without its hyphens.
    pub(super) option: &'static str,
    /// The placeholder of the value in help.
    pub(super) value: &'static str,
    /// The value that applies where none is given; empty for a setting without a default.
    pub(super) default: &'static str,
    /// Words for what applies where no value is given and there is no default.
    pub(super) unset: &'static str,
    /// Marks a secret: its value is never shown, and may come from a file.
    pub(super) secret: bool,
    /// The part of the service that reads it.
    pub(super) part: Part,
    /// The setting without which this one does nothing.
    pub(super) needs: Option<Need>,
    /// The heading of README that says more; empty when none does.
    pub(super) see: &'static str,
    /// The meaning, in sentences; literals stand between backticks.
    pub(super) help: &'static str,
}

/// A setting that another one depends on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Need {
    /// The variable that must be set.
    pub(super) variable: &'static str,
    /// Its value.
    pub(super) value: &'static str,
    /// The consequence of any other value, in words.
    pub(super) otherwise: &'static str,
}

/// A part of the service. Each command has some of them, and takes the options of those.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The database.
    Database,
    /// Encryption of what is stored.
    Encryption,
    /// API keys.
    ApiKeys,
    /// The queue of hints.
    Queue,
    /// The address of the API.
    Address,
    /// The API.
    Api,
    /// Every server, for the API or for metrics.
    Server,
    /// The payment provider.
    Provider,
    /// The file of providers, whose routes and notification keys a server needs too.
    Providers,
    /// The worker.
    Worker,
    /// Webhooks.
    Webhooks,
    /// The start on a restored database.
    Restored,
    /// The log and reports of errors.
    Log,
    /// Traces.
    Traces,
}

impl Row {
    /// Makes a row with everything else at its default.
    pub(super) const fn new(
        variable: &'static str,
        file_variable: &'static str,
        part: Part,
        help: &'static str,
    ) -> Self {
        Self {
            variable,
            file_variable,
            option: "",
            value: "",
            default: "",
            unset: "",
            secret: false,
            part,
            needs: None,
            see: "",
            help,
        }
    }

    /// Its variables: one, or two for a secret.
    pub(super) fn variables(&self) -> impl Iterator<Item = &'static str> {
        let file = self.secret.then_some(self.file_variable);
        [self.variable].into_iter().chain(file)
    }

    /// The help without the marks that only Markdown needs.
    pub(super) fn plain_help(&self) -> String {
        self.help.trim().replace('`', "")
    }
}

/// Every row, in the order of the sections.
pub(super) fn rows() -> impl Iterator<Item = &'static Row> {
    SECTIONS.iter().flat_map(|section| section.rows)
}

/// Refuses a setting that is given while the one that it needs has another value: the operator means something by it, and
/// nothing would come of that.
///
/// # Errors
/// [`ConfigError`] that names the setting and the one that it needs.
pub(super) fn refuse_unneeded(values: &Values) -> Result<(), ConfigError> {
    for row in rows() {
        let Some(need) = row.needs else { continue };
        let needed = rows().find(|other| other.variable == need.variable);
        let has_it = match needed {
            Some(needed) => values.text_or_default(needed)?.expose() == need.value,
            None => false,
        };
        if !has_it && values.text(row)?.is_some() {
            let Need {
                variable,
                value,
                otherwise,
            } = need;
            let message = format!("is set, but {otherwise}: set {variable}={value}, or unset it");
            return Err(ConfigError::new(row.variable, message));
        }
    }
    Ok(())
}

/// Declares a section: its rows in the table, and the struct with their values.
///
/// Each field is one setting: its doc comment is the help, `"VARIABLE" { … }` its row, and after the arrow the way its text
/// becomes the value, a method of [`Given`](super::values::Given).
macro_rules! section {
    (
        $(#[$attribute:meta])*
        $vis:vis struct $name:ident in $section:ident, titled $title:literal, read by $part:ident {
            $(
                $(#[doc = $help:literal])+
                $field_vis:vis $field:ident: $type:ty = $variable:literal {
                    $($key:ident: $value:expr),+ $(,)?
                } => $kind:ident($($parse:expr)?),
            )+
        }
    ) => {
        $(#[$attribute])*
        #[derive(Debug, Clone)]
        $vis struct $name {
            $(
                $(#[doc = $help])+
                $field_vis $field: $type,
            )+
        }

        /// The rows of the section.
        pub(super) const $section: $crate::settings::table::Section = $crate::settings::table::Section {
            title: $title,
            rows: &[$($crate::settings::table::row!($variable, $part, concat!($($help),+), $($key: $value),+)),+],
        };

        impl $name {
            /// Reads the section.
            ///
            /// # Errors
            /// `ConfigError` for the first setting that is wrong.
            pub(super) fn read(
                values: &$crate::settings::values::Values,
            ) -> Result<Self, $crate::settings::ConfigError> {
                Ok(Self {
                    $($field: {
                        const ROW: $crate::settings::table::Row =
                            $crate::settings::table::row!($variable, $part, concat!($($help),+), $($key: $value),+);
                        values.given(&ROW).$kind($($parse)?)?
                    },)+
                })
            }
        }

        /// The values of the table, whatever the environment has.
        impl Default for $name {
            fn default() -> Self {
                Self::read(&$crate::settings::values::Values::default()).expect("the defaults are valid")
            }
        }
    };
}

/// One row, with everything that is not given at its default.
macro_rules! row {
    ($variable:literal, $part:ident, $help:expr, $($key:ident: $value:expr),+) => {
        $crate::settings::table::Row {
            $($key: $value,)+
            ..$crate::settings::table::Row::new(
                $variable,
                concat!($variable, "_FILE"),
                $crate::settings::table::Part::$part,
                $help,
            )
        }
    };
}

pub(super) use {row, section};
