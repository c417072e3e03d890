"""A proxy that records what passes, and may change it."""

import http.client
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

# Headers of one connection, which are not passed on.
OF_THE_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}


@dataclass
class Message:
    """A request and its answer."""

    method: str
    path: str
    headers: dict
    body: bytes
    status: int = 0
    answer: bytes = b""


@dataclass
class Hop:
    """A proxy on loopback. `upstream` says where a path leads, and the two changes break what passes."""

    upstream: callable
    change_request: callable = None
    change_answer: callable = None
    seen: list = field(default_factory=list)

    def start(self):
        hop = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                try:
                    hop.pass_on(Message(self.command, self.path, headers, body), self)
                except ConnectionError:
                    # One side has hung up, which the other side is to notice.
                    self.close_connection = True

            do_GET = do_POST = handle_any

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        return self

    def pass_on(self, message, handler):
        """Passes a request on and its answer back. The record has both as they were before any change here."""
        self.seen.append(message)
        body = self.change_request(message) if self.change_request else message.body
        target = urlsplit(self.upstream(message.path))
        headers = {n: v for n, v in message.headers.items() if n not in OF_THE_CONNECTION}
        headers["accept-encoding"] = "identity"
        connection = http.client.HTTPConnection(target.hostname, target.port, timeout=60)
        connection.request(message.method, message.path, body or None, headers)
        answer = connection.getresponse()
        message.status, message.answer = answer.status, answer.read()
        connection.close()
        changed = self.change_answer(message) if self.change_answer else message.answer
        handler.send_response(message.status)
        for name, value in answer.getheaders():
            if name.lower() not in OF_THE_CONNECTION:
                handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(changed)))
        handler.end_headers()
        handler.wfile.write(changed)
