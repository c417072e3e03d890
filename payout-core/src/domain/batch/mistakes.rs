//! Mistakes in the rows of a batch.

/// Something that is wrong with a row of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The number of the row: as a spreadsheet numbers it, or the place in a list, from 1.
    pub row: u64,
    /// The column or the field; absent if the mistake concerns the whole row.
    pub column: Option<String>,
    /// The message for the client. It does not repeat what the row says.
    pub message: String,
}

impl Mistake {
    /// Builds a mistake that concerns a whole row.
    pub fn of_row(row: u64, message: impl Into<String>) -> Self {
        Self {
            row,
            column: None,
            message: message.into(),
        }
    }

    /// Builds a mistake in one column.
    pub fn of(row: u64, column: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            row,
            column: Some(column.into()),
            message: message.into(),
        }
    }
}

/// The mistakes of a batch: those of the first rows in full, and the number of wrong rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mistakes {
    listed: Vec<Mistake>,
    rows: u64,
}

impl Mistakes {
    /// The largest number of wrong rows whose mistakes are listed.
    pub const ROWS_LISTED: u64 = 1_000;

    /// Adds the mistakes of one row.
    pub fn add_row(&mut self, mistakes: impl IntoIterator<Item = Mistake>) {
        self.rows += 1;
        if self.rows <= Self::ROWS_LISTED {
            self.listed.extend(mistakes);
        }
    }

    /// Returns the mistakes of the first wrong rows.
    pub fn listed(&self) -> &[Mistake] {
        &self.listed
    }

    /// Returns the number of wrong rows.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Returns whether no row is wrong.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_wrong_rows_are_listed_and_the_rest_is_counted() {
        let mut mistakes = Mistakes::default();
        assert!(mistakes.is_empty());
        for row in 1..=1_500 {
            mistakes.add_row([Mistake::of_row(row, "a"), Mistake::of(row, "amount", "b")]);
        }
        assert_eq!((mistakes.rows(), mistakes.listed().len()), (1_500, 2_000));
        assert_eq!(mistakes.listed().last().map(|mistake| mistake.row), Some(1_000));
    }
}
