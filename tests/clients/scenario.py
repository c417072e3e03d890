"""Runs the scenario with both generated clients against the real binary; tests/clients/run starts it."""

import argparse
import os
import pathlib
import re
import socket
import subprocess
import tempfile
import time
import urllib.request

from payouts_client import AuthenticatedClient
from payouts_client.api.batches import (
    approve_batch, create_batch, export_batch, get_batch, list_batch_payouts,
)
from payouts_client.api.events import list_feed
from payouts_client.api.payouts import create_payout, list_payouts
from payouts_client.models import (
    AccountRecipient, AccountRecipientType, Currency, ListPayoutsMetadata, NewBatch, NewPayout, Status,
)
from payouts_client.types import File

PATIENCE = 60


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
    """The binary on SQLite, where another person approves 1,000 euros or more."""

    def __init__(self, program, folder):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
        self.program, self.folder = program, folder
        self.base = f"http://127.0.0.1:{port}"
        self.environment = {
            "PATH": "/usr/bin:/bin",
            "DATABASE_URL": f"sqlite://{folder}/payouts.db",
            "PAYOUT_BIND": f"127.0.0.1:{port}",
            "PAYOUT_LOG": "warn",
            "PAYOUT_SIMULATED_DELAY_MS": "50",
            "PAYOUT_APPROVALS": "EUR=1000:1",
        }
        self.log = open(folder / "log", "ab")
        self.process = subprocess.Popen(
            [program, "run"], env=self.environment, cwd=folder, stdout=self.log, stderr=self.log
        )
        until("the service is ready", self.is_ready)

    def is_ready(self):
        try:
            return urllib.request.urlopen(self.base + "/health/ready", timeout=5).status == 200
        except OSError:
            return False

    def key(self, name, scopes):
        """Makes a key of a person, and returns its token."""
        made = subprocess.run(
            [self.program, "keys", "create", name, "--scopes", scopes, "--owner", name],
            env=self.environment, cwd=self.folder, check=True, capture_output=True, text=True,
        )
        return made.stdout.strip()

    def client(self, token):
        return AuthenticatedClient(base_url=self.base, token=token, raise_on_unexpected_status=True)

    def stop(self):
        self.process.terminate()
        assert self.process.wait(30) == 0
        self.log.close()


def recipient(number):
    return AccountRecipient(type_=AccountRecipientType.ACCOUNT, account=f"PYTHON-{number}", name="Ada Lovelace")


def payout(number, amount, **fields):
    return NewPayout.from_dict({
        "amount": amount, "currency": "EUR", "recipient": recipient(number).to_dict(), **fields,
    })


def scenario(grace, ada):
    """Pays with the client that openapi-python-client made."""
    new = payout(1, "12.50", metadata={"team": "python"})
    assert new.currency == Currency.EUR and new.recipient.account == "PYTHON-1", "the fields have types"
    created = create_payout.sync(client=grace, body=new, idempotency_key="python-1")
    assert created.status == Status.PENDING, created

    # This generator writes the entries of a `deepObject` under their own names.
    wanted = ListPayoutsMetadata.from_dict({"metadata[team]": "python"})
    listed = list_payouts.sync(client=grace, metadata=wanted)
    assert [one.id for one in listed.results] == [created.id], listed

    batch = NewBatch(payouts=[payout(2, "1500.00"), payout(3, "1500.00"), payout(4, "1.00")], external_id="python-batch")
    dry = create_batch.sync(client=grace, body=batch, dry_run=True)
    assert dry.batch is None and dry.report.forecast.awaiting_approval == 2, dry
    stored = create_batch.sync(client=grace, body=batch)
    assert stored.batch.payouts == 3, stored
    again = create_batch.sync_detailed(client=grace, body=batch)
    assert again.status_code == 200 and again.parsed.batch.id == stored.batch.id, again

    own = approve_batch.sync(stored.batch.id, client=grace, body=None)
    assert (own.approved, own.not_allowed) == (0, 2), own
    approved = approve_batch.sync(stored.batch.id, client=ada, body=None)
    assert (approved.approved, approved.completed) == (2, 2), approved
    until("the batch is paid", lambda: get_batch.sync(stored.batch.id, client=grace).percent == 100)
    members = list_batch_payouts.sync(stored.batch.id, client=grace)
    assert {one.status for one in members.results} == {Status.COMPLETED}, members
    assert export_batch.sync_detailed(stored.batch.id, client=grace).content.count(b"PYTHON-") == 3

    csv = b"amount,currency,recipient_account,recipient_name\n2.00,EUR,PYTHON-5,Ada Lovelace\n"
    file = create_batch.sync(client=grace, body=File(payload=csv), external_id="python-file")
    assert file.batch.payouts == 1, file

    # Every page of the feed, from the oldest event.
    types, after = [], None
    while True:
        page = list_feed.sync(client=grace, **({} if after is None else {"after": after}))
        types += [str(event.type_) for event in page.results]
        if page.next_ == after:
            break
        after = page.next_
    assert types.count("payout.completed") >= 4, types


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--payout", required=True)
    arguments.add_argument("--document", required=True)
    arguments.add_argument("--node", required=True)
    arguments = arguments.parse_args()
    document = pathlib.Path(arguments.document).read_text()
    made = pathlib.Path(os.environ["PYTHONPATH"], "payouts_client", "api").glob("*/[!_]*.py")
    operations = len(re.findall(r"^      operationId:", document, re.M))
    assert len(list(made)) == operations, f"the document has {operations} operations, and the client others"
    with tempfile.TemporaryDirectory() as folder:
        service = Service(arguments.payout, pathlib.Path(folder))
        grace = service.key("grace", "read,write,reveal,approve")
        ada = service.key("ada", "read,approve")
        time.sleep(3)  # every process knows of new keys within about two seconds
        scenario(service.client(grace), service.client(ada))
        print("the Python client ran the scenario")
        subprocess.run(["node", arguments.node, service.base, grace, ada], check=True, timeout=PATIENCE)
        service.stop()


main()
