"""Where messages go: the terminal, a file with one JSON object per line, and any service that Apprise knows by URL."""

from __future__ import annotations

import logging
import os
import threading
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from pipeline.errors import SettingsError, Unavailable
from pipeline.ports import Receiver
from pipeline.records import Notification, to_json
from pipeline.text import visible

TIMEOUT = 10.0  # seconds for one message to one receiver, connection and answer together
COLOURS = {"incident": "red", "tone": "yellow", "pipeline": "magenta"}


def receiver(name: str, url: str, timeout: float = TIMEOUT) -> Receiver:
    """The receiver behind `terminal:`, `file:PATH` or an Apprise URL. SettingsError if Apprise doesn't know the URL."""
    if url == "terminal:":
        return Terminal(name)
    if url.startswith("file:"):
        return JsonFile(name, Path(url.removeprefix("file:")))
    return AppriseUrl(name, url, timeout)


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

    Apprise's own time-outs are per read, so a server that drips one byte at a time would never end: the call runs in a thread
    of its own with a bound on the whole. While it hangs the receiver is busy, and further messages fail at once.
    """

    def __init__(self, name: str, url: str, timeout: float = TIMEOUT) -> None:
        self.name = name
        self._timeout = timeout
        self._running: threading.Thread | None = None
        self._service = _service(_with_timeouts(url, timeout))
        if not self._service:
            raise SettingsError(
                f"receiver {name!r}: its url is not known to Apprise; write it as in the manual of Apprise, or terminal: or file:PATH"
            )

    def send(self, message: Notification, incident: Mapping[str, object]) -> None:  # noqa: ARG002
        """Deliver the long text. Unavailable if the service refuses it or doesn't answer in time."""
        if self._running is not None and self._running.is_alive():
            raise Unavailable(f"receiver {self.name} still hangs on an earlier message")
        answer: list[bool] = []
        self._running = threading.Thread(target=self._call(message, answer), name=f"receiver-{self.name}", daemon=True)
        self._running.start()
        self._running.join(self._timeout)
        if self._running.is_alive():
            raise Unavailable(f"receiver {self.name} didn't answer in {self._timeout:g} s")
        if answer != [True]:
            raise Unavailable(f"receiver {self.name} refused the message or can't be reached")

    def _call(self, message: Notification, answer: list[bool]) -> Callable[[], None]:
        def call() -> None:
            try:
                answer.append(bool(self._service.notify(title=visible(message.subject), body=visible(message.body), body_format="text")))
            except Exception:  # a plug-in of Apprise may raise anything, and its text may hold the address with its secret
                answer.append(False)

        return call


def _service(url: str) -> Any:
    """Apprise with one URL; empty if it doesn't know it. Loading its plug-ins takes a second, so it happens on the first use only.

    Its own log stays silent: it may name addresses with their secrets, and our error says which receiver failed.
    """
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of the standard library's modules that its plug-ins load
        import apprise

        service = apprise.Apprise(asset=apprise.AppriseAsset(async_mode=False))
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
