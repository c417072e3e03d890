"""Knows what the document cannot say. What the fuzzer makes of everything else is sent as it is."""

import itertools
import os

import schemathesis

OWN_KEY = os.environ["PAYOUT_FUZZ_KEY"]
numbers = itertools.count()


@schemathesis.hook
def before_call(context, case, kwargs):
    # A request that revokes the fuzzer's own key teaches nothing but 401.
    names = case.path_parameters or {}
    if names.get("name") == OWN_KEY:
        names["name"] = "nobody"
    if not (case.meta and case.meta.generation.mode.is_positive):
        return
    headers = case.headers if case.headers is not None else {}
    # Which version a payout has, only the service knows. And the coverage phase writes headers of letters and digits alone,
    # whatever their pattern says.
    if headers.get("If-Match"):
        headers["If-Match"] = "*"
    if str(headers.get("If-None-Match", "")).isalnum() or headers.get("If-None-Match") == "*":
        headers["If-None-Match"] = '"0"'
    # An idempotency key is for one request: another request under it is refused, and rightly so.
    key = headers.get("Idempotency-Key")
    if isinstance(key, str) and key and not key.startswith('"'):
        headers["Idempotency-Key"] = f"{key[:200]}-{next(numbers)}"
    # Which keys there are, only the service knows: a new key succeeds the fuzzer's own.
    if isinstance(case.body, dict) and isinstance(case.body.get("succeeds"), str):
        case.body["succeeds"] = OWN_KEY
    # What time it is, only the service knows: a key expires in a later year than this one.
    if isinstance(case.body, dict) and str(case.body.get("expires_at", "")).startswith("2026-"):
        case.body["expires_at"] = "2099" + case.body["expires_at"][4:]
