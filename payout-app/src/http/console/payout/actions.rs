//! The steps that are legal now, for a person with these scopes.

use payout_core::access::{Principal, Scope};
use payout_core::payout::{Payout, Status};

/// A step.
pub(super) struct Action {
    /// The last part of its path.
    pub(super) path: &'static str,
    pub(super) name: &'static str,
    /// Its effect, in words.
    pub(super) about: &'static str,
    pub(super) is_dangerous: bool,
    /// True if it is refused without a reason.
    pub(super) needs_reason: bool,
    /// A field that the form carries besides.
    pub(super) choice: Option<&'static str>,
}

const APPROVE: Action = Action {
    path: "approve",
    name: "Approve",
    about: "You confirm exactly what is shown here. Once enough people have, a worker sends it.",
    is_dangerous: false,
    needs_reason: false,
    choice: None,
};
const REJECT: Action = Action {
    path: "reject",
    name: "Reject",
    about: "It is cancelled for good, and nothing is sent.",
    is_dangerous: true,
    needs_reason: true,
    choice: None,
};
const CANCEL: Action = Action {
    path: "cancel",
    name: "Cancel",
    about: "It is never sent. This cannot be undone.",
    is_dangerous: true,
    needs_reason: false,
    choice: None,
};
const RETRY: Action = Action {
    path: "retry",
    name: "Retry",
    about: "A new attempt begins under a new key: the provider sees another payment. If rules require approvals, it awaits them again.",
    is_dangerous: false,
    needs_reason: false,
    choice: None,
};
const PAID: Action = Action {
    path: "resolve",
    name: "It was paid",
    about: "The provider shows this payment. It ends as completed, and is not sent again.",
    is_dangerous: false,
    needs_reason: true,
    choice: Some("completed"),
};
const NOT_PAID: Action = Action {
    path: "resolve",
    name: "It was not paid",
    about: "The provider has no such payment and never will. It ends as failed, and can then be retried: if you are wrong, somebody is paid twice.",
    is_dangerous: true,
    needs_reason: true,
    choice: Some("failed"),
};
const RETURNED: Action = Action {
    path: "return",
    name: "Mark as returned",
    about: "The money came back, and the provider did not say so by itself. It can then be retried.",
    is_dangerous: true,
    needs_reason: true,
    choice: None,
};

const DELETE: Action = Action {
    path: "delete",
    name: "Delete",
    about: "It is never sent, and no list shows it any more. Its audit trail stays.",
    is_dangerous: true,
    needs_reason: false,
    choice: None,
};

/// Returns the steps that the payout's state allows and the person may take.
pub(super) fn legal(payout: &Payout, principal: &Principal) -> Vec<Action> {
    let (approves, operates) = (principal.may(Scope::Approve), principal.may(Scope::Operate));
    let deletes = principal.may(Scope::Write) && payout.clone().delete(principal.caller()).is_ok();
    let may_approve = approves && payout.is_approvable_by(&principal.caller().person());
    let steps = match payout.status() {
        Status::AwaitingApproval => vec![
            (may_approve, APPROVE),
            (approves, REJECT),
            (operates, CANCEL),
            (deletes, DELETE),
        ],
        Status::Pending => vec![(operates, CANCEL), (deletes, DELETE)],
        Status::Processing if payout.needs_review() => vec![(operates, PAID), (operates, NOT_PAID)],
        Status::Completed => vec![(operates, RETURNED)],
        Status::Failed | Status::Returned => vec![(operates, RETRY)],
        Status::Cancelled => vec![(deletes, DELETE)],
        Status::Processing => Vec::new(),
    };
    steps
        .into_iter()
        .filter(|(may, _)| *may)
        .map(|(_, action)| action)
        .collect()
}
