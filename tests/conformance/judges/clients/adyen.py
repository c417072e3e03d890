"""Adyen's own client and verifier (PyPI: Adyen).

Ours to choose, and given to the client: the key and the reference, which are the same, and the speed of the transfer.
The period of a look-up is each side's own.
"""

import Adyen
from Adyen.util import generate_payload_sig, is_valid_hmac_payload

from ..wire import key_of_client

DESCRIPTION = "adyen/TransferService-v4.json"
HEADERS = ["x-api-key", "idempotency-key"]
CHOSEN = ["createdSince", "createdUntil"]
DIRECT = []
SIGNATURE = "HmacSignature"
API_KEY = "stand-in"
BALANCE_ACCOUNT = "BA00000000000000000000001"
# By https://docs.adyen.com/development-resources/currency-codes: minor units.
AMOUNTS = {
    "an IBAN, two decimals": ("EUR", 1050),
    "an account in the United States": ("USD", 1050),
    "an account in the United Kingdom": ("GBP", 1050),
    "no decimals": ("JPY", 500),
    "three decimals": ("KWD", 5120),
}


def live_url():
    service = Adyen.Adyen().transfers.transfers_api
    return service.client._determine_api_url("live", service.baseUrl)


def account(details):
    if "iban" in details:
        return {"type": "iban", "iban": details["iban"]}
    if "routing_number" in details:
        return {
            "type": "usLocal",
            "routingNumber": details["routing_number"],
            "accountNumber": details["account_number"],
            "accountType": details["account_type"],
        }
    return {"type": "ukLocal", "sortCode": details["sort_code"], "accountNumber": details["account_number"]}


def pay(url, case, payment):
    """Makes the payment and looks it up as the adapter does."""
    client = Adyen.Adyen(xapikey=API_KEY, platform="live")
    service = client.transfers.transfers_api
    service.baseUrl = url
    key = key_of_client(payment).replace(":", "-")
    currency, value = AMOUNTS[case]
    request = {
        "amount": {"currency": currency, "value": value},
        "balanceAccountId": BALANCE_ACCOUNT,
        "category": "bank",
        "counterparty": {
            "bankAccount": {
                "accountHolder": {"fullName": payment["name"]},
                "accountIdentification": account(payment["account"]),
            }
        },
        "description": payment["description"],
        "priority": "regular",
        "reference": key,
    }
    transfer = service.transfer_funds(request, idempotency_key=key).message
    period = {"createdSince": "2026-01-01T00:00:00Z", "createdUntil": "2026-02-01T00:00:00Z"}
    service.get_all_transfers(
        query_parameters={"balanceAccountId": BALANCE_ACCOUNT, "reference": key, **period}
    )
    service.get_transfer(transfer["id"])


def verify(headers, body, secret):
    """Returns whether Adyen's verifier accepts a notification."""
    return is_valid_hmac_payload(headers["hmacsignature"], secret, body)


def sign(body, secret):
    """Signs a notification as Adyen does."""
    return {SIGNATURE: generate_payload_sig(body, secret).decode()}


def break_request(message):
    return message.body.replace(b'"value":', b'"value":"ten","other":')


def break_answer(message):
    return message.answer.replace(b'"value":', b'"value":"ten","other":')
