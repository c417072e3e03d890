"""The comparison of our requests with those of the vendor's own client."""

import json
from urllib.parse import parse_qsl, urlsplit


def key_of_client(payment):
    """Returns the key under which the vendor's client makes the same payment. Its first digit is another."""
    return "f" + payment["key"][1:]


def shape(message, headers, keys, chosen=()):
    """Returns a request in a form that can be compared: keys, times and the order of fields do not count.

    `chosen` names the parameters of the query whose values are each side's own.
    """
    url = urlsplit(message.path)
    query = {name: "CHOSEN" if name in chosen else value for name, value in parse_qsl(url.query)}
    kind = message.headers.get("content-type", "").split(";")[0].strip()
    if kind == "application/json" and message.body:
        body = json.loads(message.body)
    else:
        body = dict(parse_qsl(message.body.decode(), keep_blank_values=True))
    kept = {name: message.headers.get(name) for name in headers}
    kept["content-type"] = kind if message.body else None
    text = json.dumps([message.method, url.path, query, kept, body], sort_keys=True)
    for key in keys:
        for written in (key, key.replace(":", "-")):
            text = text.replace(written, "KEY")
    return json.loads(text)


def differences(ours, theirs, path=""):
    """Returns where two values differ."""
    if type(ours) is type(theirs) is dict:
        for name in sorted(ours.keys() | theirs.keys()):
            yield from differences(ours.get(name), theirs.get(name), f"{path}.{name}")
    elif type(ours) is type(theirs) is list and len(ours) == len(theirs):
        for place, pair in enumerate(zip(ours, theirs)):
            yield from differences(*pair, f"{path}[{place}]")
    elif ours != theirs:
        yield f"{path.lstrip('.')}: ours {json.dumps(ours)}, the client's {json.dumps(theirs)}"
