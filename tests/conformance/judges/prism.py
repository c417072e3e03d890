"""`prism proxy --errors`, which refuses every request and every answer that leaves the vendor's description."""

import json
import queue
import subprocess
import threading


class Prism:
    def __init__(self, program, description, upstream, log):
        command = [program, "proxy", "--errors", "--host", "127.0.0.1", "--port", "0", description, upstream]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.log = open(log, "w", encoding="utf-8")
        self.address = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()

    def started(self):
        """Waits until prism listens, which takes a minute on a busy machine, and returns its address."""
        address = self.address.get(timeout=600)
        if address is None:
            raise SystemExit(f"prism did not start: see {self.log.name}")
        return address

    def read(self):
        for line in self.process.stdout:
            self.log.write(line)
            self.log.flush()
            if "Prism is listening on" in line:
                self.address.put(line.split("Prism is listening on")[1].split()[0])
        self.address.put(None)

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.log.close()


def objections(message):
    """Returns prism's objections to an exchange, each with what it is about: the request or the answer."""
    if b"stoplight.io/prism/errors#" not in message.answer:
        return []
    problem = json.loads(message.answer)
    kind = problem["type"].split("#")[1]
    of_answer = kind == "VIOLATIONS" or any(v["location"][:1] == ["response"] for v in problem.get("validation", []))
    details = [f"{'.'.join(map(str, v['location']))}: {v['message']}" for v in problem.get("validation", [])]
    text = f"{message.method} {message.path}: {kind} {'; '.join(details) or problem.get('detail', '')}"
    return [("prism: answer" if of_answer else "prism: request", text)]
