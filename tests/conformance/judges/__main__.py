"""Judges the adapters and the stand-ins of the providers: see `tests/conformance/run`."""

import argparse
import base64
import os
import sys
import time
from glob import glob
from importlib import import_module
from urllib.parse import urlsplit

from .adapter import Adapter
from .hop import Hop
from .prism import Prism, objections
from .wire import differences, key_of_client, shape

# What is broken on purpose, and the judge that must object.
BREAKS = {
    "request": "prism: request",
    "answer": "prism: answer",
    "wire": "the vendor's client",
    "signature": "the vendor's verifier",
}


class Bench:
    """One provider between its judges: adapter → front → prism → rear → stand-in."""

    def __init__(self, provider, options):
        self.provider, self.options = provider, options
        self.client = import_module(f".clients.{provider}", __package__)
        self.stand_in = None
        self.rear = Hop(lambda _: self.stand_in).start()
        description = sorted(glob(os.path.join(options.specs, self.client.DESCRIPTION)))[0]
        log = os.path.join(options.folder, f"prism-{provider}.log")
        self.path = urlsplit(self.begin().stand_in).path
        self.prism = Prism(options.prism, description, self.rear.url + self.path, log)
        self.front = None

    def route(self, path):
        direct = any(path.startswith(prefix) for prefix in self.client.DIRECT)
        return self.rear.url if direct else self.described

    def begin(self):
        """Starts the adapter's program with a stand-in of its own."""
        self.adapter = Adapter(self.options.adapter, self.provider)
        self.stand_in = self.adapter.stand_in
        return self.adapter

    def judge(self, broken=None):
        """Makes all calls, and returns what the judges object to and how much they saw."""
        if not self.front:
            self.described = self.prism.started()
            self.front = Hop(self.route).start()
        if not self.adapter:
            self.begin()
        self.front.seen.clear()
        self.front.change_request = self.client.break_request if broken == "request" else None
        self.rear.change_answer = self.client.break_answer if broken == "answer" else None
        found, payments, pushes, counts = [], [], [], {"calls": 0}
        for report in self.adapter.calls(self.front.url):
            if "payment" in report:
                payments.append((report["case"], report["payment"]))
            elif "push" in report:
                pushes.append(report)
            else:
                counts["calls"] += 1
                if report["outcome"] not in report["expected"]:
                    text = f"{report['case']}, {report['call']}: {report['said']}"
                    found.append(("the adapter", text))
        if broken not in ("request", "answer"):
            found += self.wire(payments, broken)
            found += self.signatures(pushes, broken)
            counts |= {"payments of the vendor's client": len(payments), "notifications": len(pushes)}
        for message in self.front.seen:
            found += objections(message)
        counts["exchanges"] = len(self.front.seen)
        self.adapter.stop()
        self.adapter = None
        return found, counts

    def wire(self, payments, broken):
        """Makes each payment with the vendor's client, and compares the requests."""
        live = (self.adapter.live_url, self.client.live_url())
        if live[0] != live[1]:
            yield ("the vendor's client", f"the live address: ours {live[0]}, the client's {live[1]}")
        for case, payment in payments:
            ours = self.exchanges(payment["key"])
            self.client.pay(self.front.url, case, payment)
            theirs = self.exchanges(key_of_client(payment))
            if broken == "wire":
                currency = payment["currency"]
                for code, other in ((currency, "XXX"), (currency.lower(), "xxx")):
                    ours[0].body = ours[0].body.replace(code.encode(), other.encode())
            shapes = [self.shapes(ours, payment["key"]), self.shapes(theirs, key_of_client(payment))]
            yield from (("the vendor's client", f"{case}: {text}") for text in differences(*shapes))

    def exchanges(self, key):
        """Returns the first exchange of each kind that is about a key: in its path, its body or its answer."""
        first = {}
        for message in self.front.seen:
            written = message.path.encode() + message.body + message.answer
            if any(key.replace(":", colon).encode() in written for colon in (":", "-", "%3A")):
                first.setdefault((message.method, urlsplit(message.path).path), message)
        return list(first.values())

    def shapes(self, messages, key):
        """Returns the shapes of exchanges, in which the vendor's reference does not count either."""
        created = urlsplit(messages[0].path).path
        paths = [urlsplit(message.path).path for message in messages]
        references = [path.rsplit("/", 1)[1] for path in paths if path.startswith(created + "/")]
        names = [key, *references]
        return [shape(message, self.client.HEADERS, names, self.client.CHOSEN) for message in messages]

    def signatures(self, pushes, broken):
        """Lets the vendor's verifier and the adapter read what the stand-in signs, and the adapter what theirs signs."""
        judge = "the vendor's verifier"
        if not any(push["forged"] for push in pushes):
            yield (judge, "the stand-in forged no notification")
        for push in pushes:
            headers, body = push["push"]["headers"], base64.b64decode(push["push"]["body"])
            if broken == "signature":
                body = body.replace(b'"', b' "', 1)
            is_right = not push["forged"]
            lower = {name.lower(): value for name, value in headers}
            if self.client.verify(lower, body, self.adapter.secret) != is_right:
                yield (judge, f"forged: {push['forged']}, and the verifier thinks otherwise of {body[:80]}")
            said = self.adapter.read(headers, body)
            if bool(said.get("names")) != is_right:
                yield ("the adapter", f"forged: {push['forged']}, and the adapter says {said}")
            if self.client.sign and is_right:
                signed = {**dict(headers), **self.client.sign(body, self.adapter.secret)}
                said = self.adapter.read(list(signed.items()), body)
                if not said.get("names"):
                    yield ("the adapter", f"signed by the vendor's own code, and the adapter says {said}")

    def stop(self):
        self.prism.stop()


def options():
    parser = argparse.ArgumentParser(prog="tests/conformance/run")
    parser.add_argument("--specs", required=True, help="the folder of the vendors' descriptions")
    parser.add_argument("--adapter", required=True, help="the program payout-conformance")
    parser.add_argument("--prism", required=True, help="the program prism")
    parser.add_argument("--folder", required=True, help="the folder of the logs")
    parser.add_argument("--break", dest="broken", choices=BREAKS, help="break this on purpose, and show the objections")
    parser.add_argument("providers", nargs="*", default=["adyen", "paypal", "stripe"])
    return parser.parse_args()


def show(found, most):
    for judge, text in found[:most]:
        print(f"    {judge}: {text}")
    if len(found) > most:
        print(f"    and {len(found) - most} more")


def main():
    given = options()
    failed = False
    # Started at once: most of the time passes until prism listens.
    for bench in [Bench(provider, given) for provider in given.providers]:
        begun = time.monotonic()
        if given.broken:
            found, _ = bench.judge(given.broken)
            show(found, 20)
            failed |= bool(found)
            bench.stop()
            continue
        found, counts = bench.judge()
        seen = ", ".join(f"{count} {what}" for what, count in counts.items())
        print(f"{bench.provider}: {'FAILED' if found else 'conforms'} ({seen})")
        show(found, 40)
        failed |= bool(found)
        # A check that cannot fail checks nothing.
        for broken, judge in BREAKS.items():
            objecting = [text for who, text in bench.judge(broken)[0] if who == judge]
            print(f"  broken {broken}: {'refused by' if objecting else 'NOT REFUSED by'} {judge}")
            show([(judge, text) for text in objecting], 1)
            failed |= not objecting
        bench.stop()
        print(f"  {time.monotonic() - begun:.0f} s", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
