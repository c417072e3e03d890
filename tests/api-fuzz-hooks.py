"""Makes most of the bodies that the document allows into ones that the service takes.

No document can say which texts are currencies' codes or how many decimals each has, so nearly every payout made from it
alone is refused, and what comes after the create would never be reached.
"""

import os

import schemathesis

CODES = ["USD", "eur", "JPY", "BHD", "Gbp"]


@schemathesis.hook
def map_body(context, body):
    # What is of the wrong type on purpose stays as it is, and of one body in four everything.
    if not isinstance(body, dict) or not body:
        return body
    weight = sum(map(ord, repr(sorted(body.items(), key=repr))))
    if weight % 4 == 0:
        return body
    if is_text(body.get("currency"), 3):
        body["currency"] = CODES[weight % len(CODES)]
    if isinstance(body.get("amount"), (int, float, str)) and not isinstance(body["amount"], bool):
        body["amount"] = [str(weight), weight][weight % 2]
    for name in ("recipient_account", "recipient_name"):
        if is_text(body.get(name)):
            body[name] = f"N{weight}"
    if is_text(body.get("description")):
        body["description"] = f"for {weight}"
    return body


@schemathesis.hook
def map_headers(context, headers):
    # A version drawn at random is never the payout's.
    condition = (headers or {}).get("If-Match")
    if isinstance(condition, str) and sum(map(ord, condition)) % 4:
        headers["If-Match"] = "*" if len(condition) % 2 else '"1", "2"'
    return headers


@schemathesis.hook
def before_call(context, case, kwargs):
    # Who saws off the branch it sits on learns no more than 401.
    names = case.path_parameters or {}
    if names.get("name") == os.environ["PAYOUT_FUZZ_KEY"]:
        names["name"] = "nobody"


def is_text(value, length=None):
    return isinstance(value, str) and length in (None, len(value))
