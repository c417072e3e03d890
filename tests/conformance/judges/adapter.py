"""The program that makes the calls of the real adapter, with the stand-in in the same process."""

import base64
import json
import subprocess


class Adapter:
    def __init__(self, program, provider):
        command = [program, provider]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        first = self.line()
        self.stand_in, self.secret, self.live_url = first["address"], first["signing_secret"], first["live_url"]

    def line(self):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("the adapter's program ended early")
        return json.loads(line)

    def write(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def calls(self, address):
        """Makes all calls to an address, and yields the report of each."""
        self.write(address)
        while "done" not in (report := self.line()):
            yield report

    def read(self, headers, body):
        """Lets the adapter read a notification."""
        self.write(json.dumps({"headers": headers, "body": base64.b64encode(body).decode()}))
        return self.line()

    def stop(self):
        self.process.stdin.close()
        self.process.wait()
