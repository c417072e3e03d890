"""Puts nginx, with the configuration of deploy/nginx, in front of a running service, and pays through it.

Usage: nginx.py PAYOUT_BINARY CONFIGURATION FOLDER
"""

import concurrent.futures
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time

HOST = "payouts.example.com"
CLIENTS = 8
SECONDS = 6.0


def free_port():
    # Below the range from which the kernel takes ports for clients.
    for port in range(20000 + os.getpid() % 8000, 32000):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    raise SystemExit("no free port")


def until(what, found, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = found()
        if value:
            return value
        time.sleep(0.05)
    raise SystemExit(f"nginx: waited {seconds} s in vain until {what}")


class Client:
    """A client that speaks TLS to nginx and keeps its connection."""

    def __init__(self, port, certificate, key=None):
        context = ssl.create_default_context(cafile=certificate)
        self.key = key
        self.connection = http.client.HTTPSConnection(HOST, port, context=context, timeout=20)
        # The name is resolved to this host without a resolver.
        self.connection._create_connection = lambda _, *rest, **named: socket.create_connection(
            ("127.0.0.1", port), *rest, **named
        )

    def call(self, method, path, body=None, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        if body is not None:
            headers["Content-Type"] = "application/json"
            body = json.dumps(body)
        for attempt in range(2):
            try:
                self.connection.request(method, path, body, headers)
                answer = self.connection.getresponse()
                return answer.status, dict(answer.getheaders()), answer.read()
            except (http.client.RemoteDisconnected, http.client.CannotSendRequest, ConnectionError, ssl.SSLEOFError):
                # nginx may close a connection between two requests; the repeat carries the same idempotency key.
                self.connection.close()
                if attempt:
                    raise


def payout(number):
    return {
        "amount": "10.00",
        "currency": "EUR",
        "recipient_account": f"account-{number}",
        "recipient_name": "Ada Lovelace",
    }


def expect(holds, what):
    if not holds:
        raise SystemExit(f"nginx: {what}")


def certificate(folder):
    pair = folder / "fullchain.pem", folder / "privkey.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        + ["-days", "2", "-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}"]
        + ["-out", pair[0], "-keyout", pair[1]],
        check=True,
        capture_output=True,
    )
    return pair


def configure(source, folder, service, tls, plain):
    """Writes the configuration as it is shipped, but for the ports and the certificate."""
    text = pathlib.Path(source).read_text()
    replaced = [
        ("server 127.0.0.1:8000;", f"server 127.0.0.1:{service};"),
        ("listen 80;", f"listen 127.0.0.1:{plain};"),
        ("listen 443 ssl http2;", f"listen 127.0.0.1:{tls} ssl http2;"),
        ("    listen [::]:80;\n", ""),
        ("    listen [::]:443 ssl http2;\n", ""),
        ("/etc/ssl/payouts.example.com", str(folder)),
    ]
    for before, after in replaced:
        expect(before in text, f"{source} no longer has {before!r}")
        text = text.replace(before, after)
    (folder / "payout.conf").write_text(text)
    main = folder / "nginx.conf"
    main.write_text(
        f"pid {folder}/nginx.pid;\nerror_log {folder}/error.log;\nworker_processes 2;\n"
        "events { worker_connections 1024; }\nhttp {\n"
        f"    access_log off;\n    client_body_temp_path {folder}/body;\n    proxy_temp_path {folder}/proxy;\n"
        f"    fastcgi_temp_path {folder}/fastcgi;\n    uwsgi_temp_path {folder}/uwsgi;\n    scgi_temp_path {folder}/scgi;\n"
        f"    include {folder}/payout.conf;\n}}\n"
    )
    return main


def creating(port, chain, key, number, until_time):
    """Creates payouts one after the other, and returns their ids."""
    client = Client(port, chain, key)
    ids = []
    while time.monotonic() < until_time:
        idempotency = f"client-{number}-{len(ids)}"
        status, _, body = client.call("POST", "/api/payouts/", payout(number), Idempotency_Key=idempotency)
        if status == 429:
            # Eight clients of one address may reach its limit on a quick host.
            time.sleep(0.2)
            continue
        expect(status == 201, f"a create was answered {status}: {body[:200]!r}")
        ids.append(json.loads(body)["id"])
    return ids


def scenario(binary, source, folder):
    service = free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": f"sqlite://{folder}/payouts.db",
        "PAYOUT_BIND": f"127.0.0.1:{service}",
        "PAYOUT_TRUSTED_PROXIES": "127.0.0.1",
        "PAYOUT_SIMULATED_DELAY_MS": "0",
        "PAYOUT_LOG": "warn",
    }
    chain, _ = certificate(folder)
    started = []
    log = open(folder / "payout.log", "w")
    try:
        started.append(subprocess.Popen([binary, "run"], env=environment, cwd=folder, stderr=log))
        until("the service listens", lambda: socket.socket().connect_ex(("127.0.0.1", service)) == 0)
        tls = free_port()
        plain = next(port for port in range(tls + 1, 32000) if socket.socket().connect_ex(("127.0.0.1", port)) != 0)
        main = configure(source, folder, service, tls, plain)
        nginx = [shutil.which("nginx") or "/usr/sbin/nginx", "-p", str(folder), "-c", str(main)]
        started.append(subprocess.Popen([*nginx, "-g", "daemon off;"], cwd=folder, stderr=log))
        until("nginx listens", lambda: socket.socket().connect_ex(("127.0.0.1", tls)) == 0)

        # Without a key, nobody who comes through the proxy is answered.
        nobody = Client(tls, chain)
        until("the service is ready", lambda: nobody.call("GET", "/health/ready")[0] == 200)
        made = subprocess.run(
            [binary, "keys", "create", "ops", "--scopes", "admin"],
            env=environment,
            cwd=folder,
            capture_output=True,
            text=True,
        )
        expect(made.returncode == 0, f"no key was made: {made.stderr}")
        key = made.stdout.strip()
        until("the key is known", lambda: Client(tls, chain, key).call("GET", "/api/payouts/")[0] == 200)
        expect(nobody.call("GET", "/api/payouts/")[0] == 401, "a request without a key is answered")

        client = Client(tls, chain, key)
        status, headers, body = client.call("GET", "/api/payouts/?page_size=1")
        expect("strict-transport-security" in {name.lower() for name in headers}, "no HSTS")
        expect(client.call("GET", "/metrics")[0] == 404, "metrics are public")
        insecure = http.client.HTTPConnection("127.0.0.1", plain, timeout=10)
        insecure.request("GET", "/api/payouts/", headers={"Host": HOST})
        expect(insecure.getresponse().status == 403, "plain HTTP is answered")

        # Reloads while clients create: none of them notices.
        end = time.monotonic() + SECONDS
        with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
            running = [pool.submit(creating, tls, chain, key, number, end) for number in range(CLIENTS)]
            while time.monotonic() < end - 1:
                time.sleep(1)
                subprocess.run([*nginx, "-s", "reload"], check=True, capture_output=True)
            created = [identity for each in running for identity in each.result()]
        expect(len(created) == len(set(created)), "a payout was made twice")

        def completed():
            body = client.call("GET", "/api/payouts/?status=completed&count=exact&page_size=1")[2]
            return json.loads(body)["count"] == len(created)

        until(f"all {len(created)} payouts are completed", completed)
        page = json.loads(client.call("GET", "/api/payouts/?page_size=1")[2])
        expect(page["next"].startswith(f"https://{HOST}/"), f"the next page is {page['next']}")
        # nginx answers as soon as it has read the length.
        large = Client(tls, chain, key).connection
        large.putrequest("POST", "/api/payouts/")
        large.putheader("Content-Length", str(70 * 1024))
        large.endheaders()
        status = large.getresponse().status
        expect(status == 413, f"a large body was answered {status}")
        print(f"deploy: nginx: {len(created)} payouts created and completed over TLS, with reloads", file=sys.stderr)
    finally:
        for process in reversed(started):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
        log.close()


def main():
    binary, source, folder = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]).resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    # nginx's workers give up root, and must enter the folder.
    folder.chmod(0o755)
    try:
        scenario(str(pathlib.Path(binary).resolve()), source, folder)
    except SystemExit:
        for name in ("payout.log", "error.log"):
            if (folder / name).exists():
                print((folder / name).read_text()[-2000:], file=sys.stderr)
        raise


main()
