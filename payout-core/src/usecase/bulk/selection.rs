//! The payouts that the filter of a bulk action selects.

use crate::Timestamp;
use crate::access::Principal;
use crate::bulk::BulkFilter;
use crate::ports::{Deleted, Filter};

/// The function that parses the filter of an action, and says whether only payouts that the person may approve match.
/// `None` if the text is not a valid filter.
pub type ReadFilter = fn(&BulkFilter) -> Option<(Filter, bool)>;

/// The reason for which a filter cannot be used for a bulk action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SelectionError {
    /// The text is not a valid filter.
    #[error("This filter cannot be read.")]
    Invalid,
    /// The filter searches for an account or a name, which an action does not keep.
    #[error("An account or a name cannot be part of the filter, since the action would keep it.")]
    Search,
    /// The filter selects deleted payouts, which no step changes.
    #[error("Deleted payouts cannot be changed.")]
    Deleted,
}

/// A filter that may be used, before the person and the time are known.
pub(super) struct Selection {
    filter: Filter,
    is_approvable: bool,
}

/// Reads the filter of an action.
pub(super) fn read(read_filter: ReadFilter, text: &BulkFilter) -> Result<Selection, SelectionError> {
    let (filter, is_approvable) = read_filter(text).ok_or(SelectionError::Invalid)?;
    if filter.search.is_some() {
        return Err(SelectionError::Search);
    }
    match filter.deleted {
        Deleted::Without => Ok(Selection {
            filter,
            is_approvable,
        }),
        Deleted::Only | Deleted::With => Err(SelectionError::Deleted),
    }
}

impl Selection {
    /// Returns the filter of this person's action: only payouts created before the time at which they were counted.
    pub(super) fn of(self, principal: &Principal, counted_at: Timestamp) -> Filter {
        let mut filter = self.filter;
        let before = filter
            .created_before
            .map_or(counted_at, |before| before.min(counted_at));
        filter.created_before = Some(before);
        if self.is_approvable {
            filter.approvable_by = Some(principal.caller().person());
        }
        filter
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::ports::Search;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    fn everything() -> Selection {
        Selection {
            filter: Filter::default(),
            is_approvable: false,
        }
    }

    #[test]
    fn nothing_that_came_after_the_count_is_selected() {
        let principal = Principal::open();
        assert_eq!(everything().of(&principal, at(5)).created_before, Some(at(5)));
        for (asked, expected) in [(3, 3), (9, 5)] {
            let mut selection = everything();
            selection.filter.created_before = Some(at(asked));
            assert_eq!(selection.of(&principal, at(5)).created_before, Some(at(expected)));
        }
    }

    #[test]
    fn only_what_the_person_may_approve_is_selected_if_that_was_asked_for() {
        let principal = Principal::open();
        let person = Some(principal.caller().person());
        assert_eq!(everything().of(&principal, at(5)).approvable_by, None);
        let selection = Selection {
            is_approvable: true,
            ..everything()
        };
        assert_eq!(selection.of(&principal, at(5)).approvable_by, person);
    }

    #[test]
    fn names_accounts_and_deleted_payouts_are_no_filter_of_an_action() {
        let text = BulkFilter::new("x").unwrap();
        let refused = |read_filter: ReadFilter| read(read_filter, &text).err();
        assert_eq!(refused(|_| None), Some(SelectionError::Invalid));
        assert_eq!(refused(|_| Some((Filter::default(), false))), None);
        let search: ReadFilter = |_| {
            let search = Search::new("Ada");
            Some((
                Filter {
                    search,
                    ..Filter::default()
                },
                false,
            ))
        };
        assert_eq!(refused(search), Some(SelectionError::Search));
        let deleted: ReadFilter = |_| {
            let deleted = Deleted::With;
            Some((
                Filter {
                    deleted,
                    ..Filter::default()
                },
                false,
            ))
        };
        assert_eq!(refused(deleted), Some(SelectionError::Deleted));
    }
}
