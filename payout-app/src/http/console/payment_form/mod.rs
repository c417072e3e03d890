//! The form of a payment, for new payouts and for edits: what is paid, and to whom.

use payout_core::payout::Status;
use serde_json::{Map, Value};

use super::fields::FormState;
use super::posted::Posted;

/// A type of accounts: its name, its title, and its parts, each with a title and whether it is required.
type AccountType = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str, bool)],
);

const TYPES: [AccountType; 6] = [
    ("iban", "IBAN", &[("iban", "IBAN", true), ("bic", "BIC", false)]),
    (
        "us_bank",
        "US bank account",
        &[
            ("routing_number", "Routing number", true),
            ("account_number", "Account number", true),
            ("account_type", "Account type", false),
        ],
    ),
    (
        "gb_bank",
        "UK bank account",
        &[
            ("sort_code", "Sort code", true),
            ("account_number", "Account number", true),
        ],
    ),
    ("email", "E-mail", &[("email", "E-mail address", true)]),
    ("phone", "Phone", &[("phone", "Phone number", true)]),
    (
        "account",
        "Another account, unchecked",
        &[("account", "Account", true)],
    ),
];

/// The choice to pay the same recipient as before.
const KEEP: &str = "keep";

/// The fields of what is paid, which the form shows with the messages beside them.
const TERMS: [&str; 8] = [
    "amount",
    "currency",
    "recipient_id",
    "recipient",
    "description",
    "external_id",
    "statement_text",
    "scheduled_at",
];

/// The form with its values and its messages.
pub(super) struct PaymentForm {
    pub(super) form: FormState,
    /// The chosen type of account.
    kind: String,
    /// The stored recipients to choose from, by id; none for an edit, which names its recipient whole.
    pub(super) recipients: Vec<(String, String)>,
    /// The masked recipient that an edit may keep; absent for a new payout.
    pub(super) kept: Option<String>,
    /// True if the reference can be given: a payout gets it once.
    pub(super) takes_external_id: bool,
}

impl PaymentForm {
    /// Builds the form of a new payout.
    pub(super) fn of_new(form: FormState, recipients: Vec<(String, String)>) -> Self {
        Self {
            kind: chosen(&form, "iban"),
            recipients,
            kept: None,
            takes_external_id: true,
            form,
        }
    }

    /// Builds the form of an edit, which keeps a recipient unless another is chosen.
    pub(super) fn of_edit(form: FormState, kept: String, takes_external_id: bool) -> Self {
        Self {
            kind: chosen(&form, KEEP),
            recipients: Vec::new(),
            kept: Some(kept),
            takes_external_id,
            form,
        }
    }

    pub(super) fn types(&self) -> &'static [AccountType] {
        &TYPES
    }

    pub(super) fn is_kind(&self, kind: &str) -> bool {
        self.kind == kind
    }

    /// Returns the name of a part's field: each type has fields of its own, so that one form can have all.
    pub(super) fn part(kind: &str, part: &str) -> String {
        format!("{kind}-{part}")
    }

    pub(super) fn messages_of_part(&self, kind: &str, part: &str) -> Vec<&str> {
        if self.is_kind(kind) {
            self.form.messages(&format!("recipient.{part}"))
        } else {
            Vec::new()
        }
    }

    /// Returns the messages of fields that the form does not show.
    pub(super) fn others(&self) -> Vec<(&str, &str)> {
        let others = self.form.other_messages(&TERMS).into_iter();
        let is_part = |field: &str| {
            let part = field.strip_prefix("recipient.").unwrap_or_default();
            let kinds = TYPES.iter().filter(|(kind, ..)| self.is_kind(kind));
            part == "name"
                || kinds
                    .flat_map(|(.., parts)| parts.iter())
                    .any(|(name, ..)| *name == part)
        };
        others.filter(|(field, _)| !is_part(field)).collect()
    }
}

fn chosen(form: &FormState, otherwise: &str) -> String {
    let given = Some(form.value("type")).filter(|kind| !kind.is_empty());
    given.unwrap_or(otherwise).to_owned()
}

/// Returns whether a payout in this status may be edited.
pub(super) fn may_be_edited(status: Status) -> bool {
    match status {
        Status::AwaitingApproval | Status::Pending => true,
        Status::Processing | Status::Completed | Status::Returned | Status::Failed | Status::Cancelled => {
            false
        }
    }
}

/// Builds the recipient that the form names, as a body of the API has it; absent if it keeps the stored one.
pub(super) fn recipient(posted: &Posted) -> Option<Value> {
    let kind = posted.field("type");
    if kind == KEEP {
        return None;
    }
    let mut recipient = Map::new();
    recipient.insert("type".to_owned(), kind.into());
    recipient.insert("name".to_owned(), posted.field("name").into());
    let parts = TYPES
        .iter()
        .filter(|(name, ..)| *name == kind)
        .flat_map(|(.., parts)| parts.iter());
    for (part, ..) in parts {
        let text = posted.field(&PaymentForm::part(kind, part)).to_owned();
        if !text.is_empty() {
            recipient.insert((*part).to_owned(), text.into());
        }
    }
    Some(recipient.into())
}

/// Returns the schedule that the form asks for, as a body of the API has it; absent if the field is empty. A field for
/// date and time has no zone; the form says that it is UTC.
pub(super) fn scheduled_at(posted: &Posted) -> Option<String> {
    let at = posted.field("scheduled_at");
    if at.is_empty() {
        return None;
    }
    let has_zone = at.ends_with('Z') || at.len() > "2026-11-24T09:30:00".len();
    let seconds = if at.len() == "2026-11-24T09:30".len() {
        ":00"
    } else {
        ""
    };
    let zone = if has_zone || !at.contains('T') { "" } else { "Z" };
    Some(format!("{at}{seconds}{zone}"))
}
