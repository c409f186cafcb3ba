"""A proxy between a worker and Elasticsearch: faults, TLS and credentials, none of which the real server can be asked for."""

from __future__ import annotations

import http.client
import json
import random
import ssl
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Json = dict[str, Any]
# What to do with a request: pass, error (500), reset (close unanswered), lost (apply, then close), slow:SECONDS, blocked, items:SHARE
Policy = Callable[[str], str]
BLOCK = {
    "error": {"type": "cluster_block_exception", "reason": "blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark]"}
}
REFUSED = {"error": {"type": "security_exception", "reason": "missing or wrong authentication credentials"}, "status": 401}


class _Server(ThreadingHTTPServer):
    """A client that is killed in the middle of a request is what this is for, not an error."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Only what is not a lost connection is shown."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class FaultProxy:
    """Forwards to 127.0.0.1:`port`; `policy` is asked for each path and may be replaced at any time.

    `tls`: what it presents to clients; `authorization`: the header that a request must have, any if None.
    """

    def __init__(self, port: int, seed: int = 1, *, tls: ssl.SSLContext | None = None, authorization: str | None = None) -> None:
        self.policy: Policy = lambda _path: "pass"
        self.faults = 0
        self._upstream = port
        self._authorization = authorization
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _handle(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                proxy.answer(self, body)

            do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _handle  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:
                """Nothing."""

        self._server = _Server(("127.0.0.1", 0), Handler)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def sometimes(self, what: str, share: float, path: str = "/_bulk") -> None:
        """From now on do `what` to a share of the requests whose path begins with `path`."""

        def policy(asked: str) -> str:
            with self._lock:
                return what if asked.startswith(path) and self._random.random() < share else "pass"

        self.policy = policy

    def heal(self) -> None:
        """Pass everything."""
        self.policy = lambda _path: "pass"

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

    def answer(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        """Forward one request, with the policy's fault."""
        if self._authorization not in (None, handler.headers.get("Authorization")):
            self._reply(handler, 401, json.dumps(REFUSED).encode())
            return
        what, _, detail = self.policy(handler.path).partition(":")
        self.faults += what != "pass"
        if what == "slow":
            time.sleep(float(detail))
        if what == "reset":
            handler.close_connection = True
            handler.connection.close()
            return
        if what == "error":
            self._reply(handler, 500, b'{"error":{"type":"exception","reason":"injected"}}')
        elif what == "blocked":
            self._reply(handler, 429, json.dumps(BLOCK).encode())
        elif what == "items" and handler.path.startswith("/_bulk"):
            self._reply(handler, 200, self._some_items(handler, body, float(detail)))
        else:
            status, answer = self._forward(handler, body)
            if what == "lost":
                handler.close_connection = True
                handler.connection.close()
                return
            self._reply(handler, status, answer)

    def _some_items(self, handler: BaseHTTPRequestHandler, body: bytes, share: float) -> bytes:
        """Apply a part of a bulk request, and answer 429 for the other items."""
        items: list[tuple[bytes, Json, bool]] = []
        lines = iter(body.rstrip(b"\n").split(b"\n"))
        for line in lines:
            action = json.loads(line)
            text = line + b"\n" + (b"" if "delete" in action else next(lines) + b"\n")
            items.append((text, action, self._random.random() < share))
        kept = b"".join(text for text, _, refused in items if not refused)
        done = iter(json.loads(self._forward(handler, kept)[1])["items"] if kept else [])
        busy = {"type": "es_rejected_execution_exception", "reason": "injected"}
        answers = [
            {kind: {"_id": meta.get("_id"), "status": 429, "error": busy}} if refused else next(done)
            for _, action, refused in items
            for kind, meta in action.items()
        ]
        return json.dumps({"errors": True, "items": answers}).encode()

    def _forward(self, handler: BaseHTTPRequestHandler, body: bytes) -> tuple[int, bytes]:
        upstream = http.client.HTTPConnection("127.0.0.1", self._upstream, timeout=60)
        try:
            headers = {name: handler.headers[name] for name in ("Content-Type", "Accept") if name in handler.headers}
            upstream.request(handler.command, handler.path, body or None, headers)
            response = upstream.getresponse()
            return response.status, response.read()
        except OSError:
            return 503, b'{"error":{"type":"exception","reason":"the server is away"}}'
        finally:
            upstream.close()

    def _reply(self, handler: BaseHTTPRequestHandler, status: int, body: bytes) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("X-Elastic-Product", "Elasticsearch")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)
