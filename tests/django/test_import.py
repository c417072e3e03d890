"""Imports a database that Django itself has made, and compares what the service answers with what Django reads.

    test_import.py sqlite|sqlite-naive|postgres PAYOUT

PAYOUT is the binary; for postgres, TEST_DATABASE_URL names a server. tests/django/run does all of it.
"""

import contextlib
import csv
import datetime
import decimal
import hashlib
import io
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
import uuid

FLAVOUR, PAYOUT = sys.argv[1], sys.argv[2]
FOLDER = pathlib.Path(tempfile.mkdtemp(prefix="payout-django-"))
KEYS = "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
ACCOUNT = "DE89370400440532013000"
os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
os.environ["DJANGO_USE_TZ"] = "0" if FLAVOUR == "sqlite-naive" else "1"
databases = []


def postgres(name):
    """A database of its own on the server; its address."""
    import psycopg

    server = os.environ["TEST_DATABASE_URL"]
    name = f"payout_django_{name}_{os.getpid()}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    databases.append(name)
    return urllib.parse.urlsplit(server)._replace(path="/" + name).geturl()


def drop_databases():
    if databases:
        import psycopg

        with psycopg.connect(os.environ["TEST_DATABASE_URL"], autocommit=True) as connection:
            for name in databases:
                connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


if FLAVOUR == "postgres":
    OLD = postgres("old")
    parts = urllib.parse.urlsplit(OLD)
    os.environ |= {
        "DJANGO_PG_HOST": parts.hostname,
        "DJANGO_PG_PORT": str(parts.port or 5432),
        "DJANGO_PG_USER": parts.username or "postgres",
        "DJANGO_PG_PASSWORD": urllib.parse.unquote(parts.password or ""),
        "DJANGO_PG_NAME": parts.path[1:],
    }
    NEW = postgres("new")
else:
    os.environ["DJANGO_SQLITE"] = str(FOLDER / "old.sqlite3")
    OLD = f"sqlite://{FOLDER}/old.sqlite3"
    NEW = f"sqlite://{FOLDER}/new.db"

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import django  # noqa: E402

django.setup()
from django.core.management import call_command  # noqa: E402
from payouts.models import LegacyPayout, Payout  # noqa: E402

SETTINGS = {key: value for key, value in os.environ.items() if not key.startswith(("PAYOUT_", "DATABASE_", "REDIS_"))} | {
    "DATABASE_URL": NEW,
    "PAYOUT_ENCRYPTION_KEYS": KEYS,
    "PAYOUT_LOG": "warn",
    "PAYOUT_PROCESSOR": "simulated",
    "PAYOUT_SIMULATED_DELAY_MS": "20",
}


def payout(*options, expect=0):
    ran = subprocess.run([PAYOUT, *options], env=SETTINGS, cwd=FOLDER, capture_output=True, text=True, timeout=120)
    assert ran.returncode == expect, f"{options}: {ran.returncode}\n{ran.stdout}\n{ran.stderr}"
    return ran


def import_django(*options, expect=0):
    ran = payout("import-django", "--from", OLD, *options, expect=expect)
    rows = {row["old_id"]: row for row in csv.DictReader(io.StringIO(ran.stdout))}
    return rows, ran.stderr.strip().splitlines()[-1]


@contextlib.contextmanager
def service():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([PAYOUT, "run"], env=SETTINGS | {"PAYOUT_BIND": f"127.0.0.1:{port}"}, cwd=FOLDER)

    def get(path):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return json.load(answer)

    try:
        for _ in range(400):
            with contextlib.suppress(OSError):
                get("/health/ready")
                break
            time.sleep(0.05)
        yield get
    finally:
        process.terminate()
        process.wait(30)


def make(status, **changes):
    fields = {
        "amount": decimal.Decimal("10.50"),
        "currency": "USD",
        "recipient_account": ACCOUNT,
        "recipient_name": "Ada Lovelace",
        "description": "Invoice 7",
    }
    return Payout.objects.create(status=status, **(fields | changes))


def moment(text):
    return datetime.datetime.fromisoformat(text)


def old_digest():
    """All that the old tables hold."""
    rows = [list(Payout.objects.order_by("pk").values_list()), list(LegacyPayout.objects.order_by("pk").values_list())]
    return hashlib.sha256(repr(rows).encode()).hexdigest()


def test_naive():
    one = make("completed")
    # Times are two hours ahead of UTC, and the database does not say so.
    rows, last = import_django("--utc-offset", "+02:00")
    assert last.startswith("1 imported,"), last
    with service() as get:
        there = get(f"/api/payouts/{one.pk}/")
        now = datetime.datetime.now(datetime.UTC)
        assert abs(now - moment(there["created_at"])) < datetime.timedelta(minutes=5), there
    rows, last = import_django(expect=1)
    assert "future" in next(iter(rows.values()))["reason"], rows


def test_all():
    states = ["completed", "failed", "cancelled", "processing", "pending"]
    some = {state: make(state) for state in states}
    edge = [
        make("completed", amount="9999999999999.99"),
        make("completed", amount="1000.00", currency="JPY"),
        make("completed", amount="0.01", description=""),
        make("failed", recipient_name="Žofie Ωmega", description="a\nb"),
    ]
    bad = {
        "currency": make("completed", currency="XXX"),
        "recipient_name": make("completed", recipient_name=" "),
        "amount": make("completed", amount="0.00"),
    }
    many = [Payout(amount="1.00", currency="EUR", recipient_account=f"A{n}", recipient_name="N", status="completed") for n in range(1200)]
    Payout.objects.bulk_create(many)
    before = old_digest()
    good = [*some.values(), *edge, *many]

    def key(one):
        return one.pk.hex if FLAVOUR == "sqlite" else str(one.pk)

    # A dry run writes nothing, and names every row that cannot be imported.
    rows, last = import_django("--dry-run", expect=1)
    assert last.startswith(f"{len(good) - 1} would be imported, 0 imported before, 0 differ, 0 left out, 4 refused"), last
    for field, one in bad.items():
        assert rows[key(one)]["outcome"] == "refused" and rows[key(one)]["reason"].startswith(field + ":"), rows
    assert "--pending=" in rows[key(some["pending"])]["reason"], rows
    assert ACCOUNT not in str(rows) and "Lovelace" not in str(rows)

    _, last = import_django("--pending=skip", expect=1)
    assert last.startswith(f"{len(good) - 1} imported, 0 imported before, 0 differ, 1 left out, 3 refused"), last
    _, last = import_django("--pending=skip", expect=1)
    assert last.startswith(f"0 imported, {len(good) - 1} imported before, 0 differ, 1 left out, 3 refused"), last
    _, last = import_django("--pending=import", expect=1)
    assert last.startswith(f"1 imported, {len(good) - 1} imported before, 0 differ, 0 left out, 3 refused"), last
    assert old_digest() == before, "the old database was written to"

    with service() as get:
        for one in [*some.values(), *edge, *many[::100]]:
            one.refresh_from_db()
            there = get(f"/api/payouts/{one.pk}/")
            assert decimal.Decimal(there["amount"]) == one.amount, there
            assert there["currency"] == one.currency, there
            assert there["recipient_account"] == one.recipient_account, there
            assert there["recipient_name"] == one.recipient_name, there
            assert there["description"] == one.description, there
            assert moment(there["created_at"]) == one.created_at, there
            events = get(f"/api/payouts/{one.pk}/events/")["results"]
            assert (events[0]["event"], events[0]["actor"]) == ("imported", "import-django"), events
            if one.status == "pending":
                continue
            assert (there["status"], there["needs_review"]) == (one.status, one.status == "processing"), there
            assert moment(there["updated_at"]) == one.updated_at, there
            assert len(events) == 1, events
        # A pending payout is paid once; a payout that the old service was processing waits for the operator.
        for _ in range(200):
            paid = get(f"/api/payouts/{some['pending'].pk}/")
            if paid["status"] == "completed":
                break
            time.sleep(0.05)
        assert (paid["status"], paid["attempts"]) == ("completed", 1), paid
        assert get("/api/payouts/?needs_review=true")["count"] == 1
        assert get(f"/api/payouts/?search={ACCOUNT}&page_size=200")["count"] == 5 + len(edge)

    # The old service still runs and pays the payout too: the import reports that.
    Payout.objects.filter(pk=some["pending"].pk).update(status="completed")
    rows, last = import_django("--pending=import", expect=1)
    assert "1 differ" in last and rows[key(some["pending"])]["outcome"] == "differs", (rows, last)

    if FLAVOUR == "sqlite":
        stored = b"".join(path.read_bytes() for path in FOLDER.glob("new.db*"))
        assert ACCOUNT.encode() not in stored and b"Lovelace" not in stored, "stored in plain"


def test_legacy():
    """Numbers for ids, other columns, JSON: the same import twice, and ids that anybody can compute."""
    made = datetime.datetime(2025, 3, 1, 12, 30, 15, 123456, tzinfo=datetime.UTC)
    for state in ["paid", "paid", "cancelled"]:
        details = {"account": ACCOUNT, "name": "O'Hara, \"Ada\""}
        LegacyPayout.objects.create(amount="7.25", recipient_details=details, comment="c", state=state, created=made)
    options = [
        "--table=payouts_legacypayout",
        "--set=currency=EUR",
        "--map=recipient_account=recipient_details.account",
        "--map=recipient_name=recipient_details.name",
        "--map=description=comment",
        "--map=status=state",
        "--map=created_at=created",
    ]
    missing = payout("import-django", "--from", OLD, *options[:-1], expect=2)
    assert "--map created_at=COLUMN" in missing.stderr, missing.stderr
    rows, _ = import_django(*options, expect=1)
    assert all("--status paid=" in row["reason"] for row in rows.values() if row["outcome"] == "refused"), rows
    first, _ = import_django(*options, "--status=paid=completed")
    again, last = import_django(*options, "--status=paid=completed")
    assert last.startswith("0 imported, 3 imported before, 0 differ"), last
    for one in LegacyPayout.objects.all():
        expected = str(uuid.uuid5(uuid.NAMESPACE_URL, f"django:payouts_legacypayout:{one.pk}"))
        assert first[str(one.pk)]["id"] == again[str(one.pk)]["id"] == expected, (first, again)
    with service() as get:
        there = get(f"/api/payouts/{expected}/")
        assert there["recipient_name"] == "O'Hara, \"Ada\"" and there["description"] == "c", there
        assert (moment(there["created_at"]), there["amount"]) == (made, "7.25"), there
    nowhere = payout("import-django", "--from", OLD, "--table=nowhere", expect=2)
    assert "no table nowhere" in nowhere.stderr, nowhere.stderr


try:
    call_command("migrate", verbosity=0)
    unready = payout("import-django", "--from", OLD, expect=2)
    assert "payout migrate" in unready.stderr, unready.stderr
    assert not list(FOLDER.glob("new.db*")), "an import makes no database"
    payout("migrate")
    if FLAVOUR == "sqlite-naive":
        test_naive()
    else:
        test_all()
        test_legacy()
    print(f"{FLAVOUR}: imported as Django has it")
finally:
    django.db.connections.close_all()
    drop_databases()
