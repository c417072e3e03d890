"""Checks a started project: all healthy, a payout completed, Redis restarted, the database killed, down and up again."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

FILE = sys.argv[1]
API = "http://127.0.0.1:8000"
BODY = {
    "amount": "12.50",
    "currency": "EUR",
    "recipient_account": "DE89370400440532013000",
    "recipient_name": "Ada Example",
    "description": "compose",
}
SOON = 180


def say(text: str) -> None:
    print(f"compose: {text}", file=sys.stderr, flush=True)


def run(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout


def compose(*command: str) -> str:
    return run("docker-compose", "--project-name", "payout", "--file", FILE, *command)


def call(method: str, path: str, body: object = None) -> tuple[int, object]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(API + path, data=data, method=method)
    request.add_header("content-type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, None
    except OSError:
        return 0, None


def eventually(what: str, look) -> object:
    begun = time.monotonic()
    while time.monotonic() - begun < SOON:
        found = look()
        if found:
            return found
        time.sleep(0.5)
    raise SystemExit(f"compose: waited {SOON} s in vain: {what}")


def states() -> dict[str, str]:
    ids = compose("ps", "--quiet").split()
    shown = json.loads(run("docker", "inspect", *ids))
    return {one["Name"]: one["State"].get("Health", {}).get("Status", one["State"]["Status"]) for one in shown}


def all_healthy() -> dict[str, str] | None:
    found = states()
    healthy = [name for name, state in found.items() if state == "healthy"]
    done = [name for name, state in found.items() if "migrate" in name and state == "exited"]
    return found if len(healthy) == 6 and len(done) == 1 else None


def create() -> str | None:
    status, payout = call("POST", "/api/payouts/", BODY)
    return payout["id"] if status == 201 else None


def is_completed(payout: str) -> bool:
    status, found = call("GET", f"/api/payouts/{payout}/")
    return status == 200 and found["status"] == "completed"


def completed(payouts: list[str]) -> None:
    for payout in payouts:
        eventually(f"{payout} is completed", lambda: is_completed(payout))


def container(service: str) -> str:
    return compose("ps", "--quiet", service).split()[0]


def count() -> int:
    status, page = call("GET", "/api/payouts/?page_size=1")
    return page["count"] if status == 200 else -1


def load(seconds: float, acknowledged: list[str]) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        payout = create()
        if payout:
            acknowledged.append(payout)
        else:
            time.sleep(0.2)


def main() -> None:
    begun = time.monotonic()
    eventually("six containers are healthy, and the schema is migrated", all_healthy)
    say(f"six containers are healthy after {time.monotonic() - begun:.0f} s")
    acknowledged = [eventually("a payout is created", create)]
    completed(acknowledged)
    say("a payout is completed")

    run("docker", "restart", "--time", "1", container("redis"))
    load(5, acknowledged)
    completed(acknowledged)
    say(f"Redis was restarted; all of {len(acknowledged)} payouts are completed")

    # As a crash does: the engine starts it again by itself.
    database = json.loads(run("docker", "inspect", container("db")))[0]["State"]["Pid"]
    os.kill(database, signal.SIGKILL)
    before = len(acknowledged)
    begun = time.monotonic()
    load(15, acknowledged)
    eventually("payouts are created again", lambda: (payout := create()) and (acknowledged.append(payout) or True))
    eventually("six containers are healthy again", all_healthy)
    completed(acknowledged)
    say(f"the database was killed; {len(acknowledged) - before} payouts since, all of {len(acknowledged)} are completed")

    counted = count()
    assert counted >= len(acknowledged), f"{counted} are stored, and {len(acknowledged)} were acknowledged"
    compose("down")
    compose("up", "--detach", "--no-build", "--scale", "worker=3")
    eventually("six containers are healthy after down and up", all_healthy)
    after = eventually("the payouts are counted", lambda: (found := count()) >= 0 and found)
    assert after == counted, f"{after} payouts after down and up, {counted} before"
    completed(acknowledged)
    say(f"down and up: {after} payouts before and after")
    compose("down", "--volumes")
    print("compose: 5 passed, 0 failed")


main()
