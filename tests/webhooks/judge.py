"""Judges the webhooks of the real binary; tests/webhooks/run starts it."""

import argparse
import base64
import datetime
import hashlib
import hmac
import http.server
import json
import pathlib
import queue
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request

import snippet

PATIENCE = 60
NAMES = ("webhook-id", "webhook-timestamp", "webhook-signature")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def until(what, ask):
    """Asks until there is an answer."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        answer = ask()
        if answer:
            return answer
        time.sleep(0.1)
    raise AssertionError(f"not within {PATIENCE} s: {what}")


class Service:
    """The binary on SQLite."""

    def __init__(self, program, folder, networks, further=()):
        self.base = f"http://127.0.0.1:{free_port()}"
        environment = {
            "PATH": "/usr/bin:/bin",
            "DATABASE_URL": f"sqlite://{folder}/payouts.db",
            "PAYOUT_BIND": self.base.removeprefix("http://"),
            "PAYOUT_LOG": "warn",
            **dict(further),
        }
        if networks:
            environment["PAYOUT_WEBHOOK_NETWORKS"] = networks
        self.log = open(folder / "log", "ab")
        self.process = subprocess.Popen([program, "run"], env=environment, cwd=folder, stdout=self.log, stderr=self.log)
        try:
            until("the service is ready", self.is_ready)
        except BaseException:
            self.process.kill()
            raise

    def is_ready(self):
        try:
            return urllib.request.urlopen(self.base + "/health/ready", timeout=5).status == 200
        except OSError:
            return False

    def ask(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} if data else {}
        request = urllib.request.Request(self.base + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.loads(answer.read() or "null")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def made(self, path, body):
        status, answer = self.ask("POST", path, body)
        assert status in (200, 201, 202), (status, answer)
        return answer

    def pay(self, count):
        for number in range(count):
            self.made("/api/payouts/", {
                "amount": "10.00", "currency": "EUR", "recipient_account": f"ACC{number}", "recipient_name": "Ada Lovelace",
            })

    def stop(self):
        self.process.terminate()
        assert self.process.wait(30) == 0
        self.log.close()


class PythonReceiver:
    """A receiver that verifies with the library from PyPI. It keeps every request."""

    def __init__(self):
        self.secret, self.events, self.refused, self.requests = "", [], [], []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                headers = {name: self.headers[name] for name in NAMES}
                receiver.requests.append((body, headers))
                try:
                    receiver.events.append(snippet.verified(receiver.secret, body, headers))
                    status = 204
                except Exception as error:  # whatever the library says
                    receiver.refused.append(repr(error))
                    status = 401
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hooks"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


class NodeReceiver:
    """A receiver that verifies with the library from npm."""

    def __init__(self, script):
        self.process = subprocess.Popen(
            ["node", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self.url = f"http://127.0.0.1:{json.loads(self.process.stdout.readline())['port']}/hooks"
        self.events, self.refused, self.answers = [], [], queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            said = json.loads(line)
            if "id" not in said:
                self.answers.put(said)
            elif "event" in said:
                self.events.append(said["event"])
            else:
                self.refused.append(said["refused"])

    def say(self, command):
        self.process.stdin.write(json.dumps(command) + "\n")
        return self.answers.get(timeout=PATIENCE)

    def use(self, secret):
        assert self.say({"secret": secret}) == {"ready": True}

    def accepts(self, secret, body, headers):
        return "event" in self.say({"verify": {"secret": secret, "body": body, "headers": headers}})

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)


def python_accepts(secret, body, headers):
    try:
        snippet.verified(secret, body, headers)
        return True
    except Exception:  # whatever the library says
        return False


class RustVerifier:
    """The library from crates.io."""

    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def accepts(self, secret, body, headers):
        self.process.stdin.write(json.dumps({"secret": secret, "body": body, "headers": headers}) + "\n")
        return self.process.stdout.readline().strip() == "true"

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)


def signed(secret, body, headers, seconds):
    """Signs a delivery for another time, by the specification."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = f"{headers['webhook-id']}.{seconds}.{body}".encode()
    signature = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    return {**headers, "webhook-timestamp": str(seconds), "webhook-signature": f"v1,{signature}"}


def check_tampering(secret, other_secret, body, headers, judges):
    """Each judge accepts a delivery, and refuses it when any part is altered, when it is old, or from the future."""
    now = int(datetime.datetime.now().timestamp())
    fresh = signed(secret, body, headers, now)
    kind, signature = fresh["webhook-signature"].split(",")
    flipped = ("A" if signature[0] != "A" else "B") + signature[1:]
    cases = [
        ("as it came", secret, body, fresh, True),
        ("another body", secret, body.replace("10.00", "99.00"), fresh, False),
        ("one more byte", secret, body + " ", fresh, False),
        ("another id", secret, body, {**fresh, "webhook-id": "evt_other"}, False),
        ("another time", secret, body, {**fresh, "webhook-timestamp": str(now + 1)}, False),
        ("no number as time", secret, body, {**fresh, "webhook-timestamp": "soon"}, False),
        ("another signature", secret, body, {**fresh, "webhook-signature": f"{kind},{flipped}"}, False),
        ("another version", secret, body, {**fresh, "webhook-signature": f"v2,{signature}"}, False),
        ("no signature", secret, body, {**fresh, "webhook-signature": ""}, False),
        ("another secret", other_secret, body, fresh, False),
        ("old", secret, body, signed(secret, body, headers, now - 3600), False),
        ("from the future", secret, body, signed(secret, body, headers, now + 3600), False),
    ]
    assert body.replace("10.00", "99.00") != body
    for name, judge in judges.items():
        for what, key, text, given, expected in cases:
            assert judge(key, text, given) is expected, f"{name}: {what}"
    return len(cases)


def check_order(events):
    last = {}
    for event in events:
        data = event["data"]
        if "payout_id" in data:
            assert last.get(data["payout_id"], 0) < data["version"], event
            last[data["payout_id"]] = data["version"]


def check_deliveries(service, receivers):
    service.pay(10)
    for receiver in receivers:
        events = until("every event came", lambda: len(receiver.events) >= 30 and receiver.events)
        assert len({event["id"] for event in events}) == 30 and receiver.refused == [], receiver.refused
        assert {event["type"] for event in events} == {"payout.created", "payout.processing", "payout.completed"}
        check_order(events)
        assert "Lovelace" not in json.dumps(events) and "ACC" not in json.dumps(events)


def check_rotation(service, paths, secrets, receivers):
    """While a secret is rotated, a receiver with the old one and one with the new one accept. Afterwards only the new."""
    rotated = service.made(paths[0] + "rotate/", {"overlap_seconds": 3600})["secret"]
    assert rotated != secrets[0]
    for secret in (secrets[0], rotated):
        receivers[0].secret = secret
        before = len(receivers[0].events)
        # Workers take a rotation up within seconds; until then only the old secret signs.
        time.sleep(5)
        service.made(paths[0] + "test/", None)
        until("the test came", lambda: len(receivers[0].events) > before)
    body, headers = receivers[0].requests[-1]
    assert len(headers["webhook-signature"].split(" ")) == 2, headers
    for secret in (secrets[0], rotated):
        assert python_accepts(secret, body, headers) and receivers[1].accepts(secret, body, headers)
    final = service.made(paths[0] + "rotate/", {"overlap_seconds": 0})["secret"]
    receivers[0].secret = final
    time.sleep(5)
    service.made(paths[0] + "test/", None)
    until("the test came", lambda: len(receivers[0].requests[-1][1]["webhook-signature"].split(" ")) == 1)
    body, headers = receivers[0].requests[-1]
    assert python_accepts(final, body, headers) and not python_accepts(rotated, body, headers)
    return body, headers, final


def first_attempt(service, path, number):
    detail = lambda: service.ask("GET", f"{path}deliveries/{number}/")[1]
    return until("an attempt was made", lambda: detail()["attempts"])[0]


def attempt_of_a_test(service, path):
    """Sends a test, and returns the number of its delivery and the first attempt."""
    number = service.made(path + "test/", None)["number"]
    return number, first_attempt(service, path, number)


def error_of_a_test(service, path):
    return attempt_of_a_test(service, path)[1]["error"]


def check_no_way_inside(service, redirecting):
    """Addresses inside are refused, by whatever form or name, and the delivery log says so."""
    hosts = [
        "127.0.0.1", "127.1", "0x7f000001", "2130706433", "0177.0.0.1", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.0.1",
        "169.254.169.254", "100.64.0.1", "[::1]", "[::ffff:127.0.0.1]", "[fe80::1]", "[fd00::1]", "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]", "user:password@shop.example", "224.0.0.1",
    ]
    for host in hosts:
        status, answer = service.ask("POST", "/api/webhooks/", {"url": f"https://{host}/"})
        assert status == 400 and "url" in answer["errors"], (host, answer)
    status, answer = service.ask("POST", "/api/webhooks/", {"url": "http://shop.example/"})
    assert status == 400, answer
    made = service.made("/api/webhooks/", {"url": f"https://localhost:{redirecting}/", "types": ["payout.deleted"]})
    error = error_of_a_test(service, f"/api/webhooks/{made['webhook']['id']}/")
    assert "is not allowed" in error, error
    return len(hosts) + 2


def redirecting_server():
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(307)
            self.send_header("location", "http://127.0.0.1:9/")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


def main():
    parser = argparse.ArgumentParser()
    for name in ("--payout", "--node", "--rust"):
        parser.add_argument(name, required=True)
    arguments = parser.parse_args()
    node, rust, python = NodeReceiver(arguments.node), RustVerifier(arguments.rust), PythonReceiver()
    redirecting = redirecting_server()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        service = Service(arguments.payout, folder, "127.0.0.1")
        try:
            made = [service.made("/api/webhooks/", {"url": receiver.url}) for receiver in (python, node)]
            paths = [f"/api/webhooks/{one['webhook']['id']}/" for one in made]
            secrets = [one["secret"] for one in made]
            python.secret = secrets[0]
            node.use(secrets[1])
            check_deliveries(service, (python, node))
            print("10 payouts: each of 30 events was verified in Python and in Node.js, in order")
            body, headers = next(request for request in python.requests if "10.00" in request[0])
            judges = {"Python": python_accepts, "Node.js": node.accepts, "Rust": rust.accepts}
            cases = check_tampering(secrets[0], secrets[1], body, headers, judges)
            print(f"{cases} deliveries, altered or not: Python, Node.js and Rust agree")
            check_rotation(service, paths, secrets, (python, node))
            print("rotation: the old and the new secret verify in the overlap, and only the new one after it")
            moved = service.made("/api/webhooks/", {
                "url": f"http://127.0.0.1:{redirecting}/", "types": ["payout.deleted"],
            })
            error = error_of_a_test(service, f"/api/webhooks/{moved['webhook']['id']}/")
            assert "redirect" in error, error
        finally:
            service.stop()
        text = (folder / "log").read_text(errors="replace") + (folder / "payouts.db").read_bytes().decode("latin-1")
        assert "whsec_" not in (folder / "log").read_text(errors="replace"), text[-500:]
        service = Service(arguments.payout, folder, "")
        try:
            cases = check_no_way_inside(service, redirecting)
            print(f"{cases} addresses inside were refused")
        finally:
            service.stop()
    node.close()
    rust.close()


if __name__ == "__main__":
    main()
