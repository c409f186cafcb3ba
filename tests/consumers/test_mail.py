"""A mail as it arrives at a server on this machine that speaks SMTP."""

from __future__ import annotations

import email
import socketserver
import threading
from collections.abc import Iterator
from email.message import EmailMessage
from email.policy import default
from typing import cast

import pytest

from consumers.receivers import receiver
from pipeline.addresses import Allowed
from pipeline.errors import Unavailable
from pipeline.records import Notification

HERE = Allowed.of(["127.0.0.1"])
BODY = "62% negative of 240 posts.\n\nIncident i1; `moodstream verify i1` recomputes every figure.\nhttps://mood.example/incidents/i1"
MESSAGE = Notification("m1", "i1", "opened", "ops", "tea: 62% negative, usually 18%", BODY, 1_000)
INCIDENT = {
    "severity": "incident", "share": 0.62, "low": 0.5, "high": 0.7, "n": 240.0, "expected": 0.18, "expected_low": 0.1, "expected_high": 0.3,
    "volume_ratio": 2.5, "drivers": [], "evidence": [{"text": "it leaks <b>everywhere</b>", "platform": "net", "created_at": "2026"}],
}  # fmt: skip


class Server(socketserver.ThreadingTCPServer):
    """Keeps what it is sent (RFC 5321, without extensions); refuses recipients while `full`."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Session)
        self.mails: list[EmailMessage] = []
        self.full = False


class Session(socketserver.StreamRequestHandler):
    """One client."""

    def handle(self) -> None:
        server = cast(Server, self.server)
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline():
            word = line[:4].upper().strip()
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                lines = iter(self.rfile.readline, b".\r\n")
                data = b"".join(one[1:] if one.startswith(b"..") else one for one in lines)
                server.mails.append(cast(EmailMessage, email.message_from_bytes(data, policy=default)))
            refused = word == b"RCPT" and server.full
            self.wfile.write(b"452 mailbox full\r\n" if refused else b"221 bye\r\n" if word == b"QUIT" else b"250 fine\r\n")
            if word == b"QUIT":
                return


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def url(server: Server) -> str:
    return f"mailto://127.0.0.1:{server.server_address[1]}/ops@example.org?from=moodstream@example.org&mode=insecure"


def test_a_mail_has_figures_in_its_subject_and_quotes_in_its_body(server: Server) -> None:
    """HTML with a text beside it; words of a post are text in both, and stand in no header."""
    receiver("ops", url(server), 5.0, allowed=HERE).send(MESSAGE, INCIDENT)
    (mail,) = server.mails
    page, plain = mail.get_body(("html",)), mail.get_body(("plain",))
    assert page is not None
    assert plain is not None
    assert MESSAGE.subject == mail["subject"]
    assert "it leaks &lt;b&gt;everywhere" in page.get_content()
    assert '<a href="https://mood.example/incidents/i1">' in page.get_content()
    assert "it leaks" in plain.get_content()
    assert not any("leaks" in str(value) for value in mail.values())


def test_a_mailbox_that_is_full_is_tried_again(server: Server) -> None:
    """Unavailable, so that the outbox keeps the message."""
    server.full = True
    with pytest.raises(Unavailable, match="receiver ops refused"):
        receiver("ops", url(server), 5.0, allowed=HERE).send(MESSAGE, INCIDENT)
    assert [] == server.mails
