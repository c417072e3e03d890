"""Stripe's own client and verifier (PyPI: stripe).

Ours to choose, and given to the client: the API's version, the key, `transfer_group`, and the two fields of `metadata`.
"""

import time

import stripe

from ..wire import key_of_client

DESCRIPTION = "stripe/spec3*.json"
HEADERS = ["authorization", "idempotency-key", "stripe-version"]
CHOSEN = []
DIRECT = []
SIGNATURE = "Stripe-Signature"
SECRET_KEY = "sk_live_stand_in"
VERSION = "2020-08-27"
# By https://docs.stripe.com/currencies: no decimals, hundredths, or thousandths. ISK is sent as hundredths.
AMOUNTS = {
    "two decimals": 1050,
    "no decimals": 500,
    "three decimals": 5120,
    "no decimals that are sent as two": 500,
}


def live_url():
    return stripe.DEFAULT_API_BASE


def pay(url, case, payment):
    """Makes the payment and looks it up as the adapter does."""
    client = stripe.StripeClient(
        SECRET_KEY, base_addresses={"api": url}, stripe_version=VERSION, max_network_retries=0
    )
    key = key_of_client(payment)
    transfer = client.v1.transfers.create(
        {
            "amount": AMOUNTS[case],
            "currency": payment["currency"].lower(),
            "destination": payment["account"]["id"],
            "transfer_group": key,
            "description": payment["description"],
            "metadata": {"payout_id": payment["payout_id"], "payout_digest": payment["digest"]},
        },
        {"idempotency_key": key},
    )
    assert (transfer.amount, transfer.object) == (AMOUNTS[case], "transfer")
    found = client.v1.transfers.list({"transfer_group": key, "limit": 3})
    assert [one.id for one in found.data] == [transfer.id]
    client.v1.transfers.retrieve(transfer.id)


def verify(headers, body, secret):
    """Returns whether Stripe's verifier accepts a notification."""
    try:
        return stripe.Webhook.construct_event(body, headers["stripe-signature"], secret).type.startswith("transfer.")
    except stripe.SignatureVerificationError:
        return False


def sign(body, secret):
    """Signs a notification as Stripe does."""
    now = int(time.time())
    signature = stripe.WebhookSignature._compute_signature(f"{now}.{body.decode()}", secret)
    return {SIGNATURE: f"t={now},v1={signature}"}


def break_request(message):
    return message.body.replace(b"amount=", b"amount=ten")


def break_answer(message):
    return message.answer.replace(b'"amount":', b'"amount":"ten","other":')
