"""Judges whether names whose addresses change lead the real binary inside; tests/webhooks/run starts it.

The binary and the receivers run in a network of their own (`unshare`, `ip` and `mount` of Linux), in which a public
address is this host's too. A DNS server of this file answers otherwise the second time, with several addresses at once,
or with another one each time. TLS is real: the names have a certificate, which the binary trusts.

Where such a network is not permitted, or openssl is missing, nothing is judged, and a line says so.
"""

import argparse
import collections
import http.server
import itertools
import os
import pathlib
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading

from judge import Service, attempt_of_a_test, first_attempt, until

PUBLIC = "93.184.216.34"
HOME, PRIVATE = "127.0.0.1", "10.0.0.1"
# Addresses inside at which a receiver listens. The last two lead to one of the others.
INSIDE = [HOME, PRIVATE, "169.254.169.254", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1"]
LISTENING = INSIDE[:4]
DOMAIN = "shop.example"
TESTS = 24
SECONDS = 120


def enter():
    """Runs this file again in a network of its own. Without permission, or without openssl, it ends."""
    if shutil.which("openssl") is None:
        skip("openssl is missing")
    for kind in (["--net", "--mount"], ["--user", "--map-root-user", "--net", "--mount"]):
        command = ["unshare", *kind]
        setup = "ip link set lo up && ip address add 10.0.0.1/32 dev lo && mount --bind /dev/null /etc/resolv.conf"
        try:
            tried = subprocess.run([*command, "sh", "-c", setup], capture_output=True, text=True)
        except FileNotFoundError as error:
            tried = subprocess.CompletedProcess(command, 1, stderr=str(error))
        if tried.returncode == 0:
            os.execvp("unshare", [*command, sys.executable, *sys.argv, "--inside"])
    reason = (tried.stderr.strip().splitlines() or ["no reason"])[-1]
    skip(f"a network of its own is not permitted here: {reason}")


def skip(why):
    print(f"rebinding: skipped, since {why}")
    sys.exit(0)


def prepare(folder):
    """Gives this network its addresses, and its names the DNS server of this file."""
    resolver, switch = folder / "resolv.conf", folder / "nsswitch.conf"
    resolver.write_text("nameserver 127.0.0.1\noptions timeout:30 attempts:1\n")
    switch.write_text("hosts: files dns\n")
    commands = [["ip", "link", "set", "lo", "up"]]
    commands += [["ip", "address", "add", f"{address}/32", "dev", "lo"] for address in (PUBLIC, *INSIDE[1:3])]
    commands += [["mount", "--bind", resolver, "/etc/resolv.conf"]]
    if os.path.exists("/etc/nsswitch.conf"):
        commands += [["mount", "--bind", switch, "/etc/nsswitch.conf"]]
    # A cache of names outside would be asked through its socket.
    if os.path.isdir("/var/run/nscd"):
        commands += [["mount", "-t", "tmpfs", "none", "/var/run/nscd"]]
    for command in commands:
        subprocess.run(command, check=True)


def certificate(folder):
    """Makes the certificate of all names, which is trusted by itself. Returns the settings of a server."""
    config, pem = folder / "openssl.conf", folder / "certificate.pem"
    config.write_text(
        "[req]\ndistinguished_name = name\nx509_extensions = extensions\n[name]\n[extensions]\n"
        f"basicConstraints = critical, CA:FALSE\nsubjectAltName = DNS:*.{DOMAIN}\n"
    )
    subprocess.run(
        ["openssl", "req", "-x509", "-config", config, "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
        + ["-nodes", "-days", "2", "-subj", f"/CN={DOMAIN}", "-out", pem, "-keyout", folder / "key.pem"],
        check=True,
        capture_output=True,
    )
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pem, folder / "key.pem")
    return tls


class Names:
    """A DNS server. Each name has a sequence of answers, which are lists of addresses. Nothing may be cached."""

    TYPES = {1: socket.AF_INET, 28: socket.AF_INET6}

    def __init__(self):
        self.answers, self.asked = {}, collections.Counter()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 53))
        threading.Thread(target=self.serve, daemon=True).start()

    def add(self, label, *answers, cycle=False):
        """Adds a name. Its last answer stands for ever, or all of them are repeated in turn."""
        name = f"{label}.{DOMAIN}"
        for kind in self.TYPES:
            rest = itertools.cycle(answers) if cycle else itertools.chain(answers, itertools.repeat(answers[-1]))
            self.answers[name, kind] = rest
        return name

    def serve(self):
        while True:
            query, peer = self.socket.recvfrom(4096)
            self.socket.sendto(self.answer(query), peer)

    def answer(self, query):
        labels, place = [], 12
        while query[place]:
            labels.append(query[place + 1:place + 1 + query[place]].decode().lower())
            place += 1 + query[place]
        name, (kind,) = ".".join(labels), struct.unpack("!H", query[place + 1:place + 3])
        self.asked[name, kind] += 1
        addresses = next(self.answers[name, kind]) if (name, kind) in self.answers else []
        family = self.TYPES.get(kind)
        addresses = [address for address in addresses if (":" in address) == (family == socket.AF_INET6)]
        packed = [socket.inet_pton(family, address) for address in addresses]
        # The name of each record is that of the question; it lives for 0 seconds.
        records = [struct.pack("!HHHIH", 0xC00C, kind, 1, 0, len(address)) + address for address in packed]
        head = query[:2] + struct.pack("!HHHHH", 0x8580, 1, len(records), 0, 0)
        return head + query[12:place + 5] + b"".join(records)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.server.hosts.append(self.headers["host"])
        # Without HTTP/1.1 the connection ends here, so that the next delivery looks the name up again.
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


class Receiver(http.server.ThreadingHTTPServer):
    """Counts its connections, whatever comes through them, and keeps the host of each request."""

    def __init__(self, address, port, tls):
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.tls, self.connections, self.hosts = tls, 0, []
        super().__init__((address, port), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def get_request(self):
        connection, peer = super().get_request()
        self.connections += 1
        if self.tls:
            connection = self.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, peer


class Receivers:
    """A receiver at each address, with TLS and without."""

    def __init__(self, tls):
        self.all = {}
        for address in (PUBLIC, *LISTENING):
            try:
                self.all[address] = [Receiver(address, 443, tls), Receiver(address, 80, None)]
            except OSError:
                # This system has no IPv6: nothing can be reached there.
                assert address == "::1", address

    def connections(self, *addresses):
        return sum(receiver.connections for address in addresses for receiver in self.all.get(address, []))

    def hosts(self, address):
        return [host for receiver in self.all[address] for host in receiver.hosts]


def endpoint(service, url):
    made = service.made("/api/webhooks/", {"url": url, "types": ["payout.deleted"]})
    return f"/api/webhooks/{made['webhook']['id']}/"


def tried(service, paths):
    """Sends a test to each endpoint at the same time. Returns the number and the first attempt of each."""
    numbers = [service.made(path + "test/", None)["number"] for path in paths]
    return [(number, first_attempt(service, path, number)) for path, number in zip(paths, numbers)]


def expect_refused(service, path, number, attempt, address):
    """The delivery log says that the address was refused, and that nothing was delivered."""
    error = attempt["error"] or ""
    assert f"the address {address} is not allowed: " in error and attempt["status"] is None, (address, attempt)
    listed = service.ask("GET", f"{path}deliveries/")[1]["results"]
    delivery = next(one for one in listed if one["number"] == number)
    assert delivery["status"] == "pending" and delivery["attempts"] >= 1, delivery


def expect_arrived(attempt):
    assert attempt["status"] == 204 and attempt["error"] is None, attempt


def check_second_answers(service, names, receivers):
    """A name that was public first leads inside at the second look-up."""
    hosts = [names.add(f"second-{place}", [PUBLIC], [address]) for place, address in enumerate(INSIDE)]
    paths = [endpoint(service, f"https://{host}/") for host in hosts]
    for _, attempt in tried(service, paths):
        expect_arrived(attempt)
    assert sorted(receivers.hosts(PUBLIC)) == sorted(hosts), receivers.hosts(PUBLIC)
    # What is dialled is what was checked: it was looked up once.
    assert all(names.asked[host, 1] == 1 for host in hosts), names.asked
    for path, address, (number, attempt) in zip(paths, INSIDE, tried(service, paths)):
        expect_refused(service, path, number, attempt, address)
    return len(hosts)


def check_mixed_answers(service, names, receivers):
    """One answer has a public address and one inside, in both orders."""
    before = receivers.connections(PUBLIC)
    pairs = [(order, address) for address in INSIDE for order in ([PUBLIC, address], [address, PUBLIC])]
    hosts = [names.add(f"mixed-{place}", order) for place, (order, _) in enumerate(pairs)]
    paths = [endpoint(service, f"https://{host}/") for host in hosts]
    for path, (_, address), (number, attempt) in zip(paths, pairs, tried(service, paths)):
        expect_refused(service, path, number, attempt, address)
    assert receivers.connections(PUBLIC) == before, "the public address of a mixed answer was dialled"
    return len(pairs)


def check_alternating_answers(service, names):
    """A name leads inside at every other look-up, while many deliveries are made."""
    path = endpoint(service, f"https://{names.add('alternating', [PUBLIC], [HOME], cycle=True)}/")
    arrived = refused = 0
    for number, attempt in tried(service, [path] * TESTS):
        if attempt["status"] == 204:
            arrived += 1
        else:
            assert " is not allowed: " in (attempt["error"] or ""), attempt
            refused += 1
    assert arrived >= TESTS // 4 and refused >= TESTS // 4, (arrived, refused)
    return arrived, refused


def check_allowed_network(service, names, receivers):
    """In an allowed network the same receiver is reached: so it can be. All others are not."""
    path = endpoint(service, f"https://{names.add('allowed', [PUBLIC], [HOME], [PRIVATE])}/")
    expect_arrived(attempt_of_a_test(service, path)[1])
    assert receivers.connections(HOME) == 0
    expect_arrived(attempt_of_a_test(service, path)[1])
    assert receivers.hosts(HOME) == [f"allowed.{DOMAIN}"], receivers.hosts(HOME)
    expect_refused(service, path, *attempt_of_a_test(service, path), PRIVATE)


def check_plain_text(service, names, receivers):
    """Without TLS a name that leads out of the allowed networks later is refused, also where it is public then."""
    path = endpoint(service, f"http://{names.add('plain', [HOME], [PRIVATE])}/")
    expect_arrived(attempt_of_a_test(service, path)[1])
    expect_refused(service, path, *attempt_of_a_test(service, path), PRIVATE)
    path = endpoint(service, f"http://{names.add('plain-public', [HOME], [PUBLIC])}/")
    expect_arrived(attempt_of_a_test(service, path)[1])
    expect_refused(service, path, *attempt_of_a_test(service, path), PUBLIC)
    assert not any(host.startswith("plain") for host in receivers.hosts(PUBLIC)), receivers.hosts(PUBLIC)


def judge(program, folder):
    prepare(folder)
    names, receivers = Names(), Receivers(certificate(folder))
    trusted = {"SSL_CERT_FILE": str(folder / "certificate.pem")}
    (folder / "strict").mkdir()
    service = Service(program, folder / "strict", "", trusted)
    try:
        second = check_second_answers(service, names, receivers)
        mixed = check_mixed_answers(service, names, receivers)
        arrived, refused = check_alternating_answers(service, names)
    finally:
        service.stop()
    assert receivers.connections(*LISTENING) == 0, "a receiver inside was reached"
    print(f"{second} names that lead inside the second time, and {mixed} answers that mix addresses: refused")
    print(f"a name that leads inside every other time: {arrived} deliveries arrived, {refused} were refused")
    (folder / "allowing").mkdir()
    service = Service(program, folder / "allowing", "127.0.0.0/8", trusted)
    try:
        check_allowed_network(service, names, receivers)
        check_plain_text(service, names, receivers)
    finally:
        service.stop()
    others = [address for address in LISTENING if address != HOME]
    assert receivers.connections(*others) == 0, "a receiver outside the allowed network was reached"
    print("an allowed network is reached by such a name, and only that one")


def give_up(*_):
    raise AssertionError(f"not within {SECONDS} s")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--payout", required=True)
    parser.add_argument("--inside", action="store_true")
    arguments = parser.parse_args()
    if not arguments.inside:
        enter()
    signal.signal(signal.SIGALRM, give_up)
    signal.alarm(SECONDS)
    with tempfile.TemporaryDirectory() as folder:
        judge(os.path.abspath(arguments.payout), pathlib.Path(folder))


if __name__ == "__main__":
    main()
