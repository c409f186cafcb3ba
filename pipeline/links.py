"""Links in messages that acknowledge or snooze one incident: signed, with an end, and without effect until somebody confirms.

A mail scanner follows links, so opening one shows a page with a button; only the button's POST acts. Whoever has the link may use it: it
is for one incident and one act, and shows no post.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from pipeline.errors import InputError
from pipeline.records import HOUR

SNOOZE_FOR = 4 * HOUR  # of the link; the page and the command take any length
ACTS = {"acknowledge": "acknowledge", "snooze": "snooze for 4 hours"}
_SIGNATURE = 32  # hex digits: 128 bits


@dataclass(frozen=True, slots=True)
class Link:
    """What a link means."""

    incident: str
    what: str
    expires: int  # ms since 1970


@dataclass(frozen=True, slots=True)
class Signer:
    """Makes and reads the links of one installation."""

    base: str  # the page's public address
    key: bytes
    lasting: int = 24 * HOUR  # ms

    def links(self, incident: str, now: int) -> dict[str, str]:
        """What each link does, and its address."""
        base = self.base.rstrip("/")
        return {said: f"{base}/act/{self.token(Link(incident, what, now + self.lasting))}" for what, said in ACTS.items()}

    def token(self, link: Link) -> str:
        """`incident.what.expires.signature`, of letters that need no escaping."""
        plain = f"{link.incident}.{link.what}.{link.expires}"
        return f"{plain}.{self._sign(plain)}"

    def read(self, token: str, now: int) -> Link:
        """The link behind a token. InputError if it is not ours or over."""
        plain, _, signature = token.rpartition(".")
        if not hmac.compare_digest(self._sign(plain).encode(), signature.encode("utf-8", "replace")):
            raise InputError("this link is not one of this page; look the incident up on it")
        incident, what, expires = plain.split(".")
        if int(expires) <= now:
            raise InputError("this link is too old; look the incident up on the page")
        return Link(incident, what, int(expires))

    def _sign(self, plain: str) -> str:
        data = b"moodstream link\0" + plain.encode("utf-8", "replace")
        return hmac.new(self.key, data, hashlib.sha256).hexdigest()[:_SIGNATURE]
