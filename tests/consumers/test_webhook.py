"""The signed webhook: what arrives, that its signature holds, and which answers count."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import jsonschema_rs
import pytest
from seeded import seeded_store, spike

from consumers.receivers import AppriseUrl, hosts, receiver
from consumers.webhook import Webhook, body, key_of, signature
from pipeline.addresses import Allowed
from pipeline.errors import SettingsError, Unavailable
from pipeline.incidents import full_json
from pipeline.notify import trial
from pipeline.records import Notification
from tools import webhook_schema
from tools.stack import certificates

MESSAGE = Notification("m1", "i1", "opened", "ops", "tea: 62% negative, usually 18%", "62% negative of 240 posts.", 1_700_000_000_000)
SECRET = "whsec_" + base64.b64encode(b"k" * 24).decode()
HERE = Allowed.of(["127.0.0.1"])
NOW = 1_700_000_123.9


@dataclass
class Site:
    """A web server on this machine that answers as the test says and keeps what it got."""

    answers: list[int] = field(default_factory=list)
    got: list[tuple[str, Mapping[str, str], bytes]] = field(default_factory=list)
    release: threading.Event = field(default_factory=threading.Event)
    port: int = 0


@pytest.fixture
def site() -> Iterator[Site]:
    state = Site()
    with served(state) as port:
        state.port = port
        yield state


@contextmanager
def served(state: Site, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """A server over one site, in TLS with a context; its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            state.got.append((self.path, dict(self.headers), self.rfile.read(int(self.headers["Content-Length"]))))
            answer = state.answers.pop(0) if state.answers else 204
            if answer == 0:  # hangs until the test is over
                state.release.wait(20)
                return
            self.send_response(answer)
            if answer == 302:
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """A client that breaks off a handshake is what a test wants."""

    server = Server(("127.0.0.1", 0), Handler)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server.server_address[1]
    state.release.set()
    server.shutdown()
    server.server_close()
    thread.join()


def hook(site: Site, timeout: float = 5.0) -> Webhook:
    return Webhook("ops", f"http://127.0.0.1:{site.port}/in?a=1", SECRET, HERE, timeout, clock=lambda: NOW)


def valid(headers: Mapping[str, str], data: bytes, now: float) -> bool:
    """What docs/incidents.md tells receivers to do."""
    stamp = headers["webhook-timestamp"]
    if abs(now - int(stamp)) > 300:
        return False
    signed = b".".join((headers["webhook-id"].encode(), stamp.encode(), data))
    expected = "v1," + base64.b64encode(hmac.new(base64.b64decode(SECRET[6:]), signed, hashlib.sha256).digest()).decode()
    return hmac.compare_digest(headers["webhook-signature"], expected)


def test_a_message_arrives_signed(site: Site) -> None:
    """One POST with the message's id, the time, and a signature that holds; another byte, id or an old time and it doesn't."""
    hook(site).send(MESSAGE, {"id": "i1"})
    ((path, headers, data),) = site.got
    assert ("/in?a=1", "m1", "1700000123") == (path, headers["webhook-id"], headers["webhook-timestamp"])
    assert valid(headers, data, NOW)
    assert not valid(headers, data + b" ", NOW)
    assert not valid({**headers, "webhook-id": "m2"}, data, NOW)
    assert not valid(headers, data, NOW + 301)


def test_the_signature_is_the_published_example() -> None:
    """The example of the Standard Webhooks libraries: same secret, id, time and body, same signature."""
    key = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    assert "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" == signature(
        key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    )


def test_every_message_follows_the_schema(tmp_path: Path) -> None:
    """An incident with its quotes, and a test message; what lacks a figure doesn't follow it."""
    validator = jsonschema_rs.validator_for(webhook_schema.schema())
    with closing(seeded_store(tmp_path / "store.db")) as store:
        incident = full_json(store, spike(store))
    assert incident["evidence"]
    for sent in (body(MESSAGE, incident), body(trial("ops", 1_700_000_000_000), {}), body(MESSAGE, {})):
        validator.validate(json.loads(sent))
    lacking = json.loads(body(MESSAGE, {name: value for name, value in incident.items() if name != "share"}))
    assert not validator.is_valid(lacking)


def test_the_published_schema_is_the_one_of_the_code() -> None:
    """docs/webhook.schema.json is what `python -m tools.webhook_schema` writes."""
    assert webhook_schema.text() == webhook_schema.FILE.read_text("utf-8")


@pytest.mark.parametrize("answer", [500, 404, 302, 410])
def test_what_is_no_success_is_tried_again(site: Site, answer: int) -> None:
    """An error and a redirect are Unavailable, the redirect is not followed, and the next try has the same id."""
    site.answers = [answer]
    made = hook(site)
    with pytest.raises(Unavailable, match=str(answer)):
        made.send(MESSAGE, {})
    made.send(MESSAGE, {})
    assert [("/in?a=1", "m1")] * 2 == [(path, headers["webhook-id"]) for path, headers, _ in site.got]


def test_a_site_that_hangs_costs_the_time_out(site: Site) -> None:
    """The whole call is bounded; while it hangs further ones fail at once."""
    site.answers = [0]
    made = hook(site, 0.2)
    with pytest.raises(Unavailable, match=r"0\.2 s|can't be reached"):
        made.send(MESSAGE, {})


def test_a_private_address_gets_nothing(site: Site) -> None:
    """Neither a webhook nor an Apprise URL calls an address that is not listed, and both say how to list it."""
    url = f"127.0.0.1:{site.port}/"
    for made in (receiver("ops", f"https://{url}", secret=SECRET), receiver("ops", f"jsons://{url}"), receiver("ops", f"json://{url}")):
        with pytest.raises(Unavailable, match=r"outgoing\.allowed"):
            made.send(MESSAGE, {})
    assert not site.got


def test_apprise_follows_no_redirect(site: Site) -> None:
    """A redirect of a host of the user's would lead to an address that nobody checked."""
    site.answers = [302]
    with pytest.raises(Unavailable):
        receiver("ops", f"json://127.0.0.1:{site.port}/", allowed=HERE).send(MESSAGE, {})
    assert ["/"] == [path for path, _, _ in site.got]


def test_a_name_that_changes_its_mind_is_not_followed(site: Site) -> None:
    """The address that was checked is the one that is called: the name is resolved once per message."""
    asked: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

    named = Webhook("ops", f"http://hooks.test:{site.port}/", SECRET, Allowed.of(["hooks.test"]), 5.0, resolve=resolve)
    named.send(MESSAGE, {})
    assert (["hooks.test"], 1) == (asked, len(site.got))
    assert f"hooks.test:{site.port}" == site.got[0][1]["Host"]


def test_which_urls_name_a_host_of_the_users() -> None:
    """Apprise's services with an address of their own have none; a mail server counts, not the mail's domain."""

    def found(url: str) -> list[tuple[str, bool]]:
        return hosts(AppriseUrl("x", url)._service)

    assert [] == found("slack://TokenA123/TokenB123/TokenC1234567890123456789/#a") + found("ntfy://topic")
    assert [("gotify.example", False)] == found("gotify://gotify.example/token")
    assert [("10.0.0.1", True)] == found("mailtos://u:p@example.org?smtp=10.0.0.1")


@pytest.mark.parametrize("secret", ["short", "whsec_***", "whsec_YWJj"])
def test_a_secret_that_protects_nothing(secret: str) -> None:
    """Too short or not base64: an error that doesn't repeat it."""
    with pytest.raises(SettingsError) as caught:
        receiver("ops", "https://hooks.example.org/", secret=secret)
    assert secret not in str(caught.value)


def test_the_certificate_is_that_of_the_name(site: Site, tmp_path: Path) -> None:
    """Over TLS the certificate must be of a trusted authority and of the host's name, although the call goes to the checked address."""
    if why := certificates.missing():
        pytest.skip(f"unavailable: {why}")
    made = certificates.make(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.certificate, made.key)
    with served(site, context) as port:
        trusted = {"resolve": lambda host, port: ["127.0.0.1"], "ca_file": str(made.authority)}
        Webhook("ops", f"https://localhost:{port}/", SECRET, Allowed.of(["localhost"]), 5.0, **trusted).send(MESSAGE, {})
        assert 1 == len(site.got)
        with pytest.raises(Unavailable):
            Webhook("ops", f"https://other.test:{port}/", SECRET, Allowed.of(["other.test"]), 5.0, **trusted).send(MESSAGE, {})
        with pytest.raises(Unavailable):
            Webhook("ops", f"https://127.0.0.1:{port}/", SECRET, HERE, 5.0).send(MESSAGE, {})
    assert 1 == len(site.got)
