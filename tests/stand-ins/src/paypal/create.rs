//! The creation of a batch.

use std::sync::atomic::Ordering;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{PAYOUTS, PayPal, batch, problem, random};
use crate::clock;
use crate::faults::{Course, Ending};
use crate::http::{Answer, Request};
use crate::ledger::{Creation, NewPayment, Planned, Standing};
use crate::shared::Shared;

const WITHOUT_DECIMALS: [&str; 3] = ["HUF", "JPY", "TWD"];

/// A request for a batch.
#[derive(Deserialize)]
struct Body {
    sender_batch_header: Header,
    items: Vec<Value>,
}

#[derive(Deserialize)]
struct Header {
    sender_batch_id: Option<String>,
    recipient_type: Option<String>,
}

#[derive(Deserialize)]
struct Item {
    recipient_type: Option<String>,
    receiver: String,
    amount: Amount,
    #[serde(default)]
    note: String,
    sender_item_id: Option<String>,
}

#[derive(Deserialize)]
struct Amount {
    value: String,
    currency: String,
}

/// A request that is valid.
pub(super) struct Order {
    /// The batch's id, the only text by which PayPal recognises a repeat. Without one, there is no repeat.
    key: Option<String>,
    recipient_type: String,
    item: Item,
}

impl Order {
    /// Returns the name by which faults are drawn.
    pub(super) fn name(&self) -> &str {
        self.key.as_deref().unwrap_or("")
    }
}

/// Reads and checks a request.
///
/// # Errors
/// PayPal's refusal.
pub(super) fn read(request: &Request) -> Result<Order, Answer> {
    let Some(Body {
        sender_batch_header,
        items,
    }) = request.json::<Body>()
    else {
        return Err(problem::answer(400, "INVALID_REQUEST", &[]));
    };
    // PayPal allows 15,000 items; this stand-in counts payments by batch.
    let [item] = &items[..] else {
        return Err(problem::invalid("items", "Must be one item"));
    };
    let Ok(item) = Item::deserialize(item) else {
        return Err(problem::invalid("items[0]", "Required field is missing"));
    };
    let key = sender_batch_header.sender_batch_id.filter(|key| !key.is_empty());
    if key.as_ref().is_some_and(|key| key.len() > 256) {
        return Err(problem::invalid(
            "sender_batch_header.sender_batch_id",
            "Is too long",
        ));
    }
    let recipient_type = item
        .recipient_type
        .clone()
        .or(sender_batch_header.recipient_type)
        .ok_or_else(|| problem::invalid("items[0].recipient_type", "Required field is missing"))?;
    if !is_receiver(&recipient_type, &item.receiver) {
        let issue = "Receiver is invalid or does not match with type";
        return Err(problem::invalid("items[0].receiver", issue));
    }
    if !is_amount(&item.amount) {
        return Err(problem::invalid("items[0].amount.value", "Amount is invalid"));
    }
    if let Some(answer) = problem::of_sandbox_note(&item.note) {
        return Err(answer);
    }
    Ok(Order {
        key,
        recipient_type,
        item,
    })
}

fn is_receiver(recipient_type: &str, receiver: &str) -> bool {
    let fits = match recipient_type {
        "EMAIL" => receiver
            .split_once('@')
            .is_some_and(|(_, domain)| domain.contains('.')),
        "PHONE" => receiver.bytes().filter(u8::is_ascii_digit).count() >= 7,
        "PAYPAL_ID" => !receiver.contains('@'),
        _ => false,
    };
    fits && (1..=127).contains(&receiver.len())
}

fn is_amount(amount: &Amount) -> bool {
    let (whole, decimals) = amount.value.split_once('.').unwrap_or((&amount.value, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let longest = if WITHOUT_DECIMALS.contains(&amount.currency.as_str()) {
        0
    } else {
        2
    };
    !whole.is_empty()
        && digits(whole)
        && digits(decimals)
        && decimals.len() <= longest
        && amount.value.bytes().any(|byte| (b'1'..=b'9').contains(&byte))
        && amount.currency.len() == 3
}

/// Carries out a creation. If another request under the key `races` it, that one is carried out, and this one is refused
/// as a repeat without a link.
pub(super) async fn create(paypal: &PayPal, order: Order, shared: &Shared, races: bool) -> Answer {
    let key = order.name().to_owned();
    let known = order
        .key
        .as_deref()
        .and_then(|key| shared.ledger().by_idempotency(key));
    let course = shared.course_of(&key);
    let told_at_once = shared.chance(&format!("funds/{key}")).permille(500);
    if known.is_none() && course.ending == Ending::NoFunds && told_at_once && paypal.is_first_refusal(&key) {
        return problem::answer(422, "INSUFFICIENT_FUNDS", &[]);
    }
    let course = match course.ending {
        Ending::NoFunds if told_at_once => Course::PAID,
        Ending::NoFunds | Ending::Paid | Ending::Declined | Ending::Returned { .. } => course,
    };
    let creation = shared.ledger().create(new_payment(order, course, shared)).await;
    match creation {
        Creation::New(payment) => {
            shared.notify(&payment);
            if races {
                return problem::repeated(None);
            }
            Answer::json(201, &batch::created(paypal, &payment))
        }
        Creation::Repeated(payment) => {
            let without = races || paypal.0.without_links.load(Ordering::Relaxed);
            let link = format!("{}{PAYOUTS}/{}", paypal.origin(), payment.id);
            problem::repeated((!without).then_some(link))
        }
    }
}

fn new_payment(order: Order, course: Course, shared: &Shared) -> NewPayment {
    let Order {
        key,
        recipient_type,
        item,
    } = order;
    let name = key.clone().unwrap_or_default();
    let mut chance = shared.chance(&format!("states/{name}"));
    let waits_as = chance.weighed(&[(2, "NEW"), (3, "PENDING"), (2, "UNCLAIMED"), (1, "ONHOLD")]);
    let returned_as = chance.weighed(&[(2, "RETURNED"), (1, "REFUNDED"), (1, "REVERSED")]);
    let declined_as = chance.weighed(&[
        (2, "RECEIVER_ACCOUNT_LOCKED"),
        (1, "RECEIVER_ACCOUNT_INVALID"),
        (1, "RISK_DECLINE"),
        (1, "REGULATORY_BLOCKED"),
    ]);
    let (ending, code) = match course.ending {
        Ending::Paid | Ending::Returned { .. } => (Standing::Paid, None),
        Ending::Declined => (Standing::Declined, Some(declined_as.to_owned())),
        Ending::NoFunds => (Standing::Refused, Some("INSUFFICIENT_FUNDS".to_owned())),
    };
    let settled_at = clock::now() + course.settles_after.unwrap_or_default();
    let mut plan = Vec::new();
    let (standing, code) = if course.settles_after.is_some() {
        plan.push(Planned {
            at: settled_at,
            standing: ending,
            code,
        });
        (Standing::Accepted, None)
    } else {
        (ending, code)
    };
    if let Ending::Returned { after } = course.ending {
        plan.push(Planned {
            at: settled_at + after,
            standing: Standing::Returned,
            code: Some(returned_as.to_owned()),
        });
    }
    NewPayment {
        id: random::short_id(),
        idempotency: key,
        key: name,
        amount: item.amount.value,
        currency: item.amount.currency,
        recipient: item.receiver,
        standing,
        code,
        plan,
        detail: json!({
            "item_id": random::short_id(),
            "recipient_type": recipient_type,
            "note": item.note,
            "sender_item_id": item.sender_item_id,
            "waits_as": waits_as,
        }),
    }
}
