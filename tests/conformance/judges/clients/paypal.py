"""PayPal's own client for payouts (PyPI: paypal-payouts-sdk), and its documented signature.

The client is of 2020 and no longer maintained; no later one of PayPal's has payouts. PayPal has no verifier for Python,
so the signature is checked here by PayPal's documentation, with the package `cryptography`.

Ours to choose, and given to the client: the batch's id, which is the key, and the item's id.
"""

import urllib.request
import zlib
from base64 import b64decode

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509 import load_pem_x509_certificate
from paypalpayoutssdk.core import PayPalHttpClient
from paypalpayoutssdk.core.environment import PayPalEnvironment
from paypalpayoutssdk.payouts import PayoutsGetRequest, PayoutsPostRequest

from ..wire import key_of_client

DESCRIPTION = "paypal/payments_payouts_batch_v1.json"
HEADERS = []
CHOSEN = []
# The description has no access tokens.
DIRECT = ["/v1/oauth2/token"]
SIGNATURE = "Paypal-Transmission-Sig"
# By https://developer.paypal.com/api/rest/reference/currency-codes/: no decimals for HUF, JPY and TWD.
AMOUNTS = {
    "an e-mail address, two decimals": "10.50",
    "a phone number": "10.50",
    "an account at PayPal": "10.50",
    "no decimals": "500",
    "decimals in ISO 4217 alone": "500",
}


def live_url():
    # The client's own, https://api.paypal.com, is the older address; the description has this one.
    return "https://api-m.paypal.com"


def receiver(account):
    if "email" in account:
        return "EMAIL", account["email"]
    if "phone" in account:
        return "PHONE", account["phone"]
    return "PAYPAL_ID", account["id"]


def pay(url, case, payment):
    """Makes the payment and looks it up as the adapter does."""
    client = PayPalHttpClient(PayPalEnvironment("client", "secret", url, url))
    kind, address = receiver(payment["account"])
    request = PayoutsPostRequest()
    request.request_body(
        {
            "sender_batch_header": {"sender_batch_id": key_of_client(payment)},
            "items": [
                {
                    "recipient_type": kind,
                    "receiver": address,
                    "amount": {"value": AMOUNTS[case], "currency": payment["currency"]},
                    "note": payment["description"],
                    "sender_item_id": payment["payout_id"],
                }
            ],
        }
    )
    batch = client.execute(request).result.batch_header.payout_batch_id
    client.execute(PayoutsGetRequest(batch))


def verify(headers, body, webhook_id):
    """Returns whether a notification's signature is right, as PayPal documents it."""
    certificate = urllib.request.urlopen(headers["paypal-cert-url"], timeout=10).read()
    signed = "|".join(
        [
            headers["paypal-transmission-id"],
            headers["paypal-transmission-time"],
            webhook_id,
            str(zlib.crc32(body)),
        ]
    )
    key = load_pem_x509_certificate(certificate).public_key()
    try:
        key.verify(b64decode(headers["paypal-transmission-sig"]), signed.encode(), PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return headers["paypal-auth-algo"] == "SHA256withRSA"


# Only PayPal has the key.
sign = None


def break_request(message):
    return message.body.replace(b'"items":[', b'"items":7,"others":[')


def break_answer(message):
    return message.answer.replace(b'"batch_header":', b'"batch_header":7,"other":')
