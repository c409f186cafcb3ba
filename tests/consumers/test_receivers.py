"""Receivers: what arrives at the terminal, in the file and at a webhook, and what a receiver that is down costs."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from rich.console import Console

from consumers.receivers import AppriseUrl, JsonFile, Terminal, receiver
from pipeline.addresses import Allowed
from pipeline.errors import SettingsError, Unavailable
from pipeline.records import Notification

HERE = Allowed.of(["127.0.0.1"])
MESSAGE = Notification("m1", "i1", "opened", "ops", "tea: 62% negative, usually 18%", "62% negative of 240 posts.", 1_000)
INCIDENT = {"id": "i1", "severity": "incident", "evidence": [{"text": "it \x1b[31mleaks\u202e!", "platform": "net", "created_at": "2026"}]}


@dataclass
class Hook:
    """A web server on this machine that answers as the test says and keeps what it got."""

    answers: list[int] = field(default_factory=list)
    got: list[dict[str, object]] = field(default_factory=list)
    release: threading.Event = field(default_factory=threading.Event)
    port: int = 0

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self.port}/"


@pytest.fixture
def hook() -> Iterator[Hook]:
    state = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answer = state.answers.pop(0) if state.answers else 200
            if answer == 0:  # hangs until the test is over
                state.release.wait(20)
                return
            if answer == 200:
                state.got.append(json.loads(body))
            self.send_response(answer)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield state
    state.release.set()
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_terminal_shows_message_and_quotes_without_controls() -> None:
    """The panel holds subject, body and quotes; escape sequences and text direction overrides of a post don't reach the terminal."""
    out = io.StringIO()
    Terminal("me", Console(file=out, width=100)).send(MESSAGE, INCIDENT)
    shown = out.getvalue()
    assert MESSAGE.subject in shown
    assert MESSAGE.body in shown
    assert "leaks!" in shown
    assert "\x1b" not in shown
    assert "\u202e" not in shown


def test_the_file_has_one_object_per_line(tmp_path: Path) -> None:
    """Each message is a line of JSON with its incident, also when the text holds line ends."""
    path = tmp_path / "alerts.jsonl"
    made = receiver("log", f"file:{path}")
    assert isinstance(made, JsonFile)
    made.send(MESSAGE, {"evidence": [{"text": "a\nb"}]})
    made.send(MESSAGE, INCIDENT)
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert ["m1", "m1"] == [line["id"] for line in lines]
    assert "a\nb" == lines[0]["incident"]["evidence"][0]["text"]


def test_a_file_that_cannot_be_written_is_tried_again(tmp_path: Path) -> None:
    """A missing folder is Unavailable, so the message waits in the outbox."""
    with pytest.raises(Unavailable, match="log"):
        receiver("log", f"file:{tmp_path / 'none' / 'x.jsonl'}").send(MESSAGE, INCIDENT)


def test_a_webhook_gets_the_message(hook: Hook) -> None:
    """An Apprise URL delivers subject and body, and no post's text in the subject."""
    receiver("hook", hook.url, 5.0, allowed=HERE).send(MESSAGE, INCIDENT)
    assert [(MESSAGE.subject, f"{MESSAGE.body}\n\n“it (31mleaks!”")] == [(got["title"], got["message"]) for got in hook.got]


@pytest.mark.parametrize("answer", [500, 503, 404, 403])
def test_a_refusal_is_unavailable(hook: Hook, answer: int) -> None:
    """An answer that is no success is Unavailable; the next try may succeed."""
    hook.answers = [answer]
    made = receiver("hook", hook.url, 5.0, allowed=HERE)
    with pytest.raises(Unavailable, match="refused"):
        made.send(MESSAGE, INCIDENT)
    made.send(MESSAGE, INCIDENT)
    assert 1 == len(hook.got)


def test_a_receiver_that_hangs_costs_its_time_out_and_no_more(hook: Hook) -> None:
    """A server that accepts and never answers is given up after the time-out; while the call hangs, further messages fail at once."""
    hook.answers = [0]
    made = AppriseUrl("hook", f"{hook.url}?rto=15&cto=15", 0.2, HERE)
    began = time.monotonic()
    with pytest.raises(Unavailable, match=r"0\.2 s"):
        made.send(MESSAGE, INCIDENT)
    with pytest.raises(Unavailable, match="still hangs"):
        made.send(MESSAGE, INCIDENT)
    assert time.monotonic() - began < 2


def test_nobody_listens() -> None:
    """A refused connection is Unavailable."""
    with pytest.raises(Unavailable):
        receiver("hook", "json://127.0.0.1:9/", 1.0, allowed=HERE).send(MESSAGE, INCIDENT)


def test_an_unknown_url_is_a_mistake_in_the_settings() -> None:
    """A URL that Apprise doesn't know names the receiver and what to write; the URL, which may hold a secret, is not repeated."""
    with pytest.raises(SettingsError, match="'ops'") as caught:
        receiver("ops", "nosuch://canary-secret")
    assert "canary" not in str(caught.value)
