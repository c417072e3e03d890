//! Maps each field of a payout to a column of the old table or to a constant.

use payout_adapters::django::{Column, DjangoRow};

use crate::settings::{ImportCommand, Pair};

/// A field of a payout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Id,
    Amount,
    Currency,
    RecipientAccount,
    RecipientName,
    Description,
    Status,
    CreatedAt,
    UpdatedAt,
    ProviderReference,
    FailureCode,
    FailureMessage,
}

impl Field {
    const ALL: [Self; 12] = [
        Self::Id,
        Self::Amount,
        Self::Currency,
        Self::RecipientAccount,
        Self::RecipientName,
        Self::Description,
        Self::Status,
        Self::CreatedAt,
        Self::UpdatedAt,
        Self::ProviderReference,
        Self::FailureCode,
        Self::FailureMessage,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Amount => "amount",
            Self::Currency => "currency",
            Self::RecipientAccount => "recipient_account",
            Self::RecipientName => "recipient_name",
            Self::Description => "description",
            Self::Status => "status",
            Self::CreatedAt => "created_at",
            Self::UpdatedAt => "updated_at",
            Self::ProviderReference => "provider_reference",
            Self::FailureCode => "failure_code",
            Self::FailureMessage => "failure_message",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.name() == name)
    }

    fn is_required(self) -> bool {
        match self {
            Self::Id
            | Self::Amount
            | Self::Currency
            | Self::RecipientAccount
            | Self::RecipientName
            | Self::Status
            | Self::CreatedAt => true,
            Self::Description
            | Self::UpdatedAt
            | Self::ProviderReference
            | Self::FailureCode
            | Self::FailureMessage => false,
        }
    }
}

/// The source of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    /// The column at this index of `Plan::columns`.
    Column(usize),
    /// The value for all rows.
    Constant(String),
}

/// The sources of all fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    /// The column of the primary key.
    pub(super) key: String,
    /// The other columns to read.
    pub(super) columns: Vec<Column>,
    sources: Vec<(Field, Source)>,
}

impl Plan {
    /// Finds the source of each field.
    ///
    /// # Errors
    /// One line that names the missing field and the columns of the table.
    pub(super) fn of(command: &ImportCommand, table: &[String]) -> Result<Self, String> {
        for (option, Pair { name, .. }) in (command.map.iter().map(|pair| ("--map", pair)))
            .chain(command.set.iter().map(|pair| ("--set", pair)))
        {
            if Field::named(name).is_none() {
                let fields = Field::ALL.map(Field::name).join(", ");
                return Err(format!("{option}: there is no field {name}; use one of {fields}"));
            }
        }
        let (mut key, mut columns, mut sources) = (None, Vec::new(), Vec::new());
        for field in Field::ALL {
            let given = |pairs: &[Pair]| {
                let pair = pairs.iter().rev().find(|pair| pair.name == field.name());
                pair.map(|pair| pair.value.clone())
            };
            let (mapped, constant) = (given(&command.map), given(&command.set));
            if field == Field::Id {
                let column = mapped.unwrap_or_else(|| field.name().to_owned());
                if constant.is_some() || !table.contains(&column) {
                    return Err(missing(command, field, table));
                }
                key = Some(column);
            } else if let Some(constant) = constant {
                sources.push((field, Source::Constant(constant)));
            } else {
                let asked = mapped.is_some();
                let column = Column::parse(mapped.as_deref().unwrap_or(field.name()));
                if table.contains(&column.name) {
                    sources.push((field, Source::Column(columns.len())));
                    columns.push(column);
                } else if asked || field.is_required() {
                    return Err(missing(command, field, table));
                }
            }
        }
        let key = key.ok_or_else(|| missing(command, Field::Id, table))?;
        Ok(Self {
            key,
            columns,
            sources,
        })
    }

    /// Returns the text of a field in this row; absent for NULL or if the field has no source.
    pub(super) fn text<'a>(&'a self, field: Field, row: &'a DjangoRow) -> Option<&'a str> {
        match self.source(field)? {
            Source::Column(index) => row.values.get(*index)?.as_deref(),
            Source::Constant(text) => Some(text),
        }
    }

    /// Returns whether the database stores the field as a binary floating-point number.
    pub(super) fn is_float(&self, field: Field, row: &DjangoRow) -> bool {
        match self.source(field) {
            Some(Source::Column(index)) => row.floats.get(*index).copied().unwrap_or_default(),
            Some(Source::Constant(_)) | None => false,
        }
    }

    fn source(&self, field: Field) -> Option<&Source> {
        let found = self.sources.iter().find(|(other, _)| *other == field);
        found.map(|(_, source)| source)
    }

    /// Describes the plan in one line for the log.
    pub(super) fn describe(&self) -> String {
        let one = |(field, source): &(Field, Source)| match source {
            Source::Column(index) => match self.columns.get(*index) {
                Some(column) if column.to_string() != field.name() => {
                    format!("{} from {column}", field.name())
                }
                Some(_) | None => field.name().to_owned(),
            },
            Source::Constant(text) => format!("{} is always {text}", field.name()),
        };
        let fields: Vec<String> = self.sources.iter().map(one).collect();
        format!("id from {}, {}", self.key, fields.join(", "))
    }
}

fn missing(command: &ImportCommand, field: Field, table: &[String]) -> String {
    format!(
        "{} has no column for {name}; it has {}. Name it by --map {name}=COLUMN{}",
        command.table,
        table.join(", "),
        if field == Field::Id {
            ""
        } else {
            ", or the same value for all rows by --set"
        },
        name = field.name(),
    )
}
