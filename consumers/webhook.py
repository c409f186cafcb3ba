"""A signed webhook: one POST of JSON per message, signed as Standard Webhooks (standardwebhooks.com) defines it.

`webhook-id` is the message's id, the same in every retry; `webhook-signature` is `v1,` and the base64 of HMAC-SHA256 over
`id.timestamp.body`. The body follows docs/webhook.schema.json.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from typing import Any

import orjson
import urllib3

from consumers.bounded import Bounded
from pipeline.addresses import Allowed, Resolve, Target, target
from pipeline.errors import SettingsError, Unavailable
from pipeline.records import Notification, to_json

VERSION = 1  # of the body
LEAST_SECRET = 16  # bytes
MOST_ANSWER = 64_000  # bytes that are read of an answer, so that a connection ends well


class Webhook:
    """Posts to one address. A redirect is a failure: it would carry the message to an address that nobody checked."""

    def __init__(
        self,
        name: str,
        url: str,
        secret: str,
        allowed: Allowed,
        timeout: float,
        *,
        resolve: Resolve | None = None,
        clock: Callable[[], float] = time.time,
        ca_file: str | None = None,
    ) -> None:
        self.name = name
        self._url, self._key = url, key_of(secret)
        self._allowed, self._resolve = allowed, resolve
        self._clock, self._ca_file = clock, ca_file
        self._timeout = timeout
        self._bounded = Bounded(name, timeout)

    def send(self, message: Notification, incident: Mapping[str, object]) -> None:
        """Post the message and its incident. Unavailable unless the answer is 2xx in time."""
        try:
            where = target(self._url, self._allowed, self._resolve)
        except SettingsError as error:  # a name may point elsewhere tomorrow, so the message waits
            raise Unavailable(f"receiver {self.name}: {error}") from None
        data, stamp = body(message, incident), int(self._clock())
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "moodstream",
            "Host": where.host if where.port in (80, 443) else f"{where.host}:{where.port}",
            "webhook-id": message.id,
            "webhook-timestamp": str(stamp),
            "webhook-signature": signature(self._key, message.id, stamp, data),
        }
        status = self._bounded.call(lambda: self._post(where, data, headers))
        if status is None:
            raise Unavailable(f"receiver {self.name} can't be reached")
        if not 200 <= status < 300:
            raise Unavailable(
                f"receiver {self.name} answered {status}" + (", and redirects are not followed" if status // 100 == 3 else "")
            )

    def _post(self, where: Target, data: bytes, headers: dict[str, str]) -> int | None:
        kind: Any = urllib3.HTTPConnectionPool
        options: dict[str, Any] = {}
        if where.scheme == "https":
            kind = urllib3.HTTPSConnectionPool
            options = {
                "server_hostname": where.host,
                "assert_hostname": where.host,
                "cert_reqs": "CERT_REQUIRED",
                "ca_certs": self._ca_file,
            }
        with kind(where.address, where.port, timeout=self._timeout, retries=False, **options) as pool:
            try:
                answer = pool.urlopen("POST", where.path, data, headers, redirect=False, retries=False, preload_content=False)
                answer.read(MOST_ANSWER)
                answer.close()
            except (urllib3.exceptions.HTTPError, OSError, ValueError):
                return None
            return int(answer.status)


def body(message: Notification, incident: Mapping[str, object]) -> bytes:
    """The JSON of a message: what happened, in a line and in words, and the incident as the API gives it (null for a test)."""
    plain = to_json(message)
    return orjson.dumps(
        {
            "version": VERSION,
            "id": message.id,
            "type": f"incident.{message.transition}",
            "timestamp": plain["created_at"],
            "receiver": message.receiver,
            "subject": message.subject,
            "text": message.body,
            "incident": dict(incident) or None,
        }
    )


def signature(key: bytes, message_id: str, stamp: int, data: bytes) -> str:
    """`v1,` and the base64 of the HMAC-SHA256 over id, time stamp (s since 1970) and body."""
    signed = hmac.new(key, f"{message_id}.{stamp}.".encode() + data, hashlib.sha256).digest()
    return "v1," + base64.b64encode(signed).decode()


def key_of(secret: str) -> bytes:
    """The key of a secret: base64 behind `whsec_`, else the text itself. SettingsError if it is shorter than 16 bytes."""
    key = secret.encode()
    if secret.startswith("whsec_"):
        try:
            key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        except binascii.Error:
            raise SettingsError("a webhook's secret that begins with whsec_ goes on in base64") from None
    if len(key) < LEAST_SECRET:
        raise SettingsError(f"a webhook's secret has at least {LEAST_SECRET} bytes; `openssl rand -base64 24` makes one")
    return key
