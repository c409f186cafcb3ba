"""Where messages go: the terminal, a file with one JSON object per line, a signed webhook, and any service that Apprise knows by URL."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from consumers.bounded import Bounded
from consumers.webhook import Webhook
from pipeline.addresses import Allowed, permit
from pipeline.errors import SettingsError, Unavailable
from pipeline.ports import Receiver
from pipeline.records import Notification, to_json
from pipeline.templates import Rendered, Template, render
from pipeline.text import visible

TIMEOUT = 10.0  # seconds for one message to one receiver, connection and answer together
COLOURS = {"incident": "red", "tone": "yellow", "pipeline": "magenta"}


MAILERS = frozenset(
    {"mailto", "mailtos", "sendgrid", "mailgun", "ses", "sparkpost", "smtp2go", "o365", "azure", "resend", "brevo", "sendpulse"}
)
SHORT = 200  # characters; a service that takes no more is a text message


def receiver(
    name: str, url: str, timeout: float = TIMEOUT, *, secret: str | None = None, allowed: Allowed | None = None,
    template: Template | None = None, quotes: int = 3,
) -> Receiver:  # fmt: skip
    """The receiver behind `terminal:`, `file:PATH`, an Apprise URL, or with a secret the webhook at an https:// address.

    `allowed`: private addresses that may be called; `template` of a service of Apprise, by its kind if None; `quotes`: posts that it shows.
    SettingsError if Apprise doesn't know the URL, or for a secret that is too short.
    """
    allowed = allowed or Allowed()
    if secret is not None:
        return Webhook(name, url, secret, allowed, timeout)
    if url == "terminal:":
        return Terminal(name)
    if url.startswith("file:"):
        return JsonFile(name, Path(url.removeprefix("file:")))
    return AppriseUrl(name, url, timeout, allowed, template, quotes)


class Terminal:
    """Prints a message as a panel; control characters of posts are stripped."""

    def __init__(self, name: str, console: Console | None = None) -> None:
        self.name = name
        self._console = console or Console()

    def send(self, message: Notification, incident: Mapping[str, object]) -> None:
        """Print the message and the quotes of its evidence."""
        body = Text(visible(message.body))
        for quote in _rows(incident.get("evidence")):
            line = f"\n“{visible(str(quote['text']))}”"
            body.append(line)
            body.append(f"  {visible(str(quote['platform']))} {quote['created_at']}", style="dim")
        colour = COLOURS.get(str(incident.get("severity")), "white")
        self._console.print(Panel(body, title=Text(visible(message.subject)), title_align="left", border_style=colour))


class JsonFile:
    """Appends one JSON object per line and waits until it is on the disk."""

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self._path = path

    def send(self, message: Notification, incident: Mapping[str, object]) -> None:
        """Write the message and its incident. Unavailable if the file can't be written."""
        line = orjson.dumps({**to_json(message), "incident": incident}, option=orjson.OPT_APPEND_NEWLINE)
        try:
            with self._path.open("ab") as out:
                out.write(line)
                out.flush()
                os.fsync(out.fileno())
        except OSError as error:
            raise Unavailable(f"receiver {self.name}: can't write its file: {error.strerror}") from None


class AppriseUrl:
    """Hands a message to Apprise; an answer that doesn't come in `timeout` seconds is a failure.

    Apprise's own time-outs are per read, so a server that drips one byte at a time would never end: the call is bounded as a whole.
    Where the URL names a host of the user's, that host is checked before each message; Apprise resolves its name once more.
    """

    def __init__(
        self,
        name: str,
        url: str,
        timeout: float = TIMEOUT,
        allowed: Allowed | None = None,
        template: Template | None = None,
        quotes: int = 3,
    ) -> None:
        self.name = name
        self._bounded = Bounded(name, timeout)
        self._allowed = allowed or Allowed()
        self._service = _service(_with_timeouts(url, timeout))
        if not self._service:
            raise SettingsError(
                f"receiver {name!r}: its url is not known to Apprise; write it as in the manual of Apprise, or terminal: or file:PATH,"
                " or give it a secret if it is the https:// address of a webhook"
            )
        self.template = template or template_of(self._service[0])
        self._quotes = quotes

    def send(self, message: Notification, incident: Mapping[str, object]) -> None:
        """Deliver it by the template. Unavailable if the service refuses it or doesn't answer in time, or if its host may not be called."""
        rendered = render(self.template, message, incident, self._quotes, int(self._service[0].body_maxlen))
        outcome = self._bounded.call(lambda: self._notify(rendered))
        if isinstance(outcome, str):
            raise Unavailable(f"receiver {self.name}: {outcome}")
        if not outcome:
            raise Unavailable(f"receiver {self.name} refused the message or can't be reached")

    def _notify(self, rendered: Rendered) -> bool | str:
        """Whether it was taken, or why it was not tried."""
        try:
            for host, tls in hosts(self._service):
                permit(host, 0, tls=tls, allowed=self._allowed)
        except (SettingsError, Unavailable) as error:
            return str(error)
        try:
            form = "html" if rendered.html else "text"
            return bool(self._service.notify(title=rendered.title, body=rendered.body, body_format=form))
        except Exception:  # a plug-in of Apprise may raise anything, and its text may hold the address with its secret
            return False


def template_of(plugin: Any) -> Template:
    """By the kind of service: mail, a text message if it takes no more, else a chat."""
    if str(plugin.url(privacy=True)).partition(":")[0] in MAILERS:
        return "mail"
    return "short" if int(plugin.body_maxlen) <= SHORT else "long"


def hosts(service: Any) -> list[tuple[str, bool]]:
    """The hosts of the user's that Apprise would call, each with whether by TLS; of services with a fixed address none.

    A plug-in has a host of the user's if one of its URL forms has one; ntfy without a host, which is its cloud, says so by its mode.
    """
    found = []
    for plugin in service:
        if any("{host}" in form for form in plugin.templates) and str(getattr(plugin, "mode", "")) != "cloud":
            host = getattr(plugin, "smtp_host", None) or plugin.host
            found.append((str(host), bool(plugin.secure)))
    return found


def _service(url: str) -> Any:
    """Apprise with one URL; empty if it doesn't know it. Loading its plug-ins takes a second, so it happens on the first use only.

    Its own log stays silent: it may name addresses with their secrets, and our error says which receiver failed.
    """
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of the standard library's modules that its plug-ins load
        import apprise

        service = apprise.Apprise(asset=apprise.AppriseAsset(async_mode=False, http_redirects=False))
        service.add(url)
    return service


def _with_timeouts(url: str, seconds: float) -> str:
    """The URL with Apprise's options for connecting (`cto`) and reading (`rto`), unless it has them."""
    out = url
    for option in ("cto", "rto"):
        if f"{option}=" not in out:
            out += f"{'&' if '?' in out else '?'}{option}={seconds:g}"
    return out


def _rows(value: object) -> list[Mapping[str, Any]]:
    return list(value) if isinstance(value, (list, tuple)) else []
