//! The columns of the list, which the address chooses.

use url::form_urlencoded;

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http::console) enum Column {
    Created,
    Recipient,
    Description,
    ExternalId,
    CreatedBy,
    Provider,
    Batch,
    Scheduled,
    Updated,
}

/// Every column with its name in the address and its title, in the order of the table. Amount and status are always shown.
const ALL: [(Column, &str, &str); 9] = [
    (Column::Created, "created", "Created"),
    (Column::Recipient, "recipient", "Recipient"),
    (Column::Description, "description", "Description"),
    (Column::ExternalId, "external_id", "External id"),
    (Column::CreatedBy, "created_by", "Created by"),
    (Column::Provider, "provider", "Provider"),
    (Column::Batch, "batch", "Batch"),
    (Column::Scheduled, "scheduled", "Scheduled"),
    (Column::Updated, "updated", "Changed"),
];

const DEFAULT: [Column; 4] = [
    Column::Created,
    Column::Recipient,
    Column::Description,
    Column::ExternalId,
];

/// The chosen columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::http::console) struct Columns {
    shown: Vec<Column>,
    /// True if rows can be chosen, for a step with all of them.
    selects: bool,
}

impl Columns {
    /// Reads the parameters `column`; without any, the usual columns are shown.
    pub(in crate::http::console) fn of(query: &str) -> Self {
        let given: Vec<String> = form_urlencoded::parse(query.as_bytes())
            .filter(|(name, _)| name == "column")
            .map(|(_, value)| value.into_owned())
            .collect();
        let chosen = ALL
            .iter()
            .filter(|(_, name, _)| given.iter().any(|given| given == name));
        let chosen: Vec<Column> = chosen.map(|(column, ..)| *column).collect();
        let shown = if chosen.is_empty() {
            DEFAULT.to_vec()
        } else {
            chosen
        };
        let selects = form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "select");
        Self { shown, selects }
    }

    pub(in crate::http::console) fn usual() -> Self {
        Self {
            shown: DEFAULT.to_vec(),
            selects: false,
        }
    }

    /// Lets rows be chosen.
    pub(in crate::http::console) fn selecting(self, selects: bool) -> Self {
        Self { selects, ..self }
    }

    pub(in crate::http::console) fn selects(&self) -> bool {
        self.selects
    }

    pub(in crate::http::console) fn has(&self, column: Column) -> bool {
        self.shown.contains(&column)
    }

    pub(in crate::http::console) fn created(&self) -> bool {
        self.has(Column::Created)
    }

    pub(in crate::http::console) fn recipient(&self) -> bool {
        self.has(Column::Recipient)
    }

    pub(in crate::http::console) fn description(&self) -> bool {
        self.has(Column::Description)
    }

    pub(in crate::http::console) fn external_id(&self) -> bool {
        self.has(Column::ExternalId)
    }

    pub(in crate::http::console) fn created_by(&self) -> bool {
        self.has(Column::CreatedBy)
    }

    pub(in crate::http::console) fn provider(&self) -> bool {
        self.has(Column::Provider)
    }

    pub(in crate::http::console) fn batch(&self) -> bool {
        self.has(Column::Batch)
    }

    pub(in crate::http::console) fn scheduled(&self) -> bool {
        self.has(Column::Scheduled)
    }

    pub(in crate::http::console) fn updated(&self) -> bool {
        self.has(Column::Updated)
    }

    /// Returns every column with its name, its title, and whether it is chosen.
    pub(in crate::http::console) fn all(&self) -> Vec<(&'static str, &'static str, bool)> {
        ALL.iter()
            .map(|(column, name, title)| (*name, *title, self.has(*column)))
            .collect()
    }

    /// Returns the names of the chosen columns, for the address; none for the usual ones.
    pub(in crate::http::console) fn names(&self) -> Vec<&'static str> {
        if self.shown == DEFAULT {
            return Vec::new();
        }
        ALL.iter()
            .filter(|(column, ..)| self.has(*column))
            .map(|(_, name, _)| *name)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_chooses_columns_and_unknown_ones_are_ignored() {
        assert_eq!(Columns::of("status=failed"), Columns::usual());
        assert_eq!(Columns::of("column=gone"), Columns::usual());
        let chosen = Columns::of("column=batch&column=created&column=x&select=1");
        assert_eq!(chosen.names(), ["created", "batch"]);
        assert!(chosen.batch() && !chosen.recipient() && chosen.selects());
    }
}
