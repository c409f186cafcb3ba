"""Messages: who is told what about an incident, once; and their delivery, which waits for receivers that are down."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import orjson

from pipeline.errors import NotFoundError, Unavailable
from pipeline.incidents import full_json
from pipeline.links import Signer
from pipeline.ports import Receiver, Store
from pipeline.quiet import Hours
from pipeline.records import DAY, HOUR, Driver, Incident, Notification, from_ms

FIRST_RETRY = 2_000  # ms
LONGEST_RETRY = 45_000  # a receiver that is back has its messages within a minute
GIVE_UP = DAY  # an alert of yesterday helps nobody
NEVER = 4_102_444_800_000  # 2100-01-01: kept, and not tried again


@dataclass(frozen=True, slots=True)
class Subscription:
    """A receiver's name and what it wants to hear of; empty means all."""

    receiver: str
    topics: frozenset[str] = frozenset()
    severities: frozenset[str] = frozenset()

    def wants(self, incident: Incident) -> bool:
        """Annotations are never sent; a pipeline incident concerns every topic."""
        if incident.severity == "annotation" or (self.severities and incident.severity not in self.severities):
            return False
        return not self.topics or incident.topic in self.topics or incident.severity == "pipeline"


def message_id(incident: str, transition: str, receiver: str) -> str:
    """The same for the same incident, transition and receiver, for ever."""
    return hashlib.blake2b("\0".join((incident, transition, receiver)).encode(), digest_size=16).hexdigest()


def messages(
    incident: Incident,
    transition: str,
    subscriptions: Sequence[Subscription],
    now: int,
    link: str | None = None,
    *,
    acts: Signer | None = None,
    again: int | None = None,
) -> list[Notification]:
    """One message per receiver that wants it. Late and historical incidents are nobody's news.

    `link`: the page's public address; `acts`: signs links that act; `again`: tells apart messages of one transition that may come twice.
    """
    key = transition if again is None else f"{transition} {again}"
    if incident.late or incident.historical:
        return []
    return [
        Notification(
            id=message_id(incident.id, key, subscription.receiver),
            incident=incident.id,
            transition=transition,
            receiver=subscription.receiver,
            subject=subject(incident),
            body=body(incident, link, acts.links(incident.id, now) if acts else {}),
            created_at=now,
        )
        for subscription in subscriptions
        if subscription.wants(incident)
    ]


DISTURBANCES = {"model": "another model scores the posts", "outage": "posts did not come through"}


def subject(incident: Incident) -> str:
    """One short line of figures; it holds no word of any post."""
    if incident.severity == "pipeline":
        return f"moodstream: {DISTURBANCES.get(incident.rule, 'many topics changed at once')}"
    if incident.measured:
        return f"{incident.topic}: rule {incident.measured.rule}, {incident.share:.0%} negative, usually {incident.expected:.0%}"
    return f"{incident.topic}: {incident.share:.0%} negative, usually {incident.expected:.0%}"


def body(incident: Incident, link: str | None = None, acts: Mapping[str, str] | None = None) -> str:
    """The sentence, the main drivers and where to look; quotes are not kept here, so an erased post leaves no trace in it."""
    lines = [incident.sentence]
    found = [line for kind in ("term", "parent", "cluster", "platform", "language") if (line := _drivers(kind, incident.drivers))]
    if found:
        lines += ["", "Where the rise comes from:", *found]
    lines += ["", f"Incident {incident.id}; `moodstream verify {incident.id}` recomputes every figure."]
    if link:
        lines.append(f"{link.rstrip('/')}/incidents/{incident.id}")
    lines += [f"{what}: {address}" for what, address in (acts or {}).items()]
    return "\n".join(lines)


def _drivers(kind: str, drivers: Sequence[Driver]) -> str | None:
    parts = [f"{driver.name} {driver.share:.0%}" for driver in drivers if driver.kind == kind and driver.name != "other"]
    return f"  {kind}: {', '.join(parts)}" if parts else None


def trial(receiver: str, now: int) -> Notification:
    """A message that says it is a test; it belongs to no incident and is kept nowhere."""
    return Notification(
        id=message_id("", f"test {now}", receiver),
        incident="",
        transition="test",
        receiver=receiver,
        subject="moodstream: a test message",
        body=f"This is a test. Messages about incidents will reach the receiver {receiver} here.",
        created_at=now,
    )


class Outbox:
    """Delivers what is due; a passive object: whoever calls `deliver_due` owns the thread and the clock.

    A receiver that fails is left alone until its retry, so in one call each receiver costs at most one time-out. The retries of
    a message are 2 s, 4 s, … 45 s apart with jitter, for a day. Beyond `daily_cap` messages a day a receiver's messages wait for
    the next day (UTC) and then come as one digest. Outside a receiver's `hours` its messages wait for the next opening.
    """

    def __init__(
        self,
        store: Store,
        receivers: Sequence[Receiver],
        daily_cap: int = 10,
        jitter: Callable[[], float] | None = None,
        hours: Mapping[str, Hours] | None = None,
    ) -> None:
        self._store = store
        self._receivers = {receiver.name: receiver for receiver in receivers}
        self._cap = daily_cap
        self._hours = hours or {}
        self._jitter = jitter or random.Random().random

    def deliver_due(self, now: int) -> int:
        """Try every message that is due; how many were delivered."""
        by_receiver: dict[str, list[Notification]] = {}
        for message in self._store.pending(now):
            by_receiver.setdefault(message.receiver, []).append(message)
        return sum(self._deliver(name, due, now) for name, due in by_receiver.items())

    def send_at_once(self, messages: Sequence[Notification], now: int) -> set[str]:
        """Past the store, while it is away: each message once; the ids of those that arrived. Quiet hours hold, the cap doesn't count."""
        arrived = set()
        for message in messages:
            receiver, hours = self._receivers.get(message.receiver), self._hours.get(message.receiver)
            if receiver is None or (hours is not None and hours.opens(now) > now):
                continue
            with suppress(Unavailable):
                receiver.send(message, {})
                arrived.add(message.id)
        return arrived

    def _deliver(self, name: str, due: list[Notification], now: int) -> int:
        receiver = self._receivers.get(name)
        if receiver is None:
            self._postpone(due, f"no receiver is called {name}", now + HOUR, now)
            return 0
        opens = self._hours[name].opens(now) if name in self._hours else now
        if opens > now:
            self._postpone(due, "outside the receiver's hours", opens, now)
            return 0
        done = 0
        sent = self._sent_today(name, now)
        for batch in _batches(due, now):
            if sent >= self._cap:
                self._postpone(batch, f"the daily cap of {self._cap} messages is reached", now - now % DAY + DAY, now)
                continue
            error = self._try(receiver, batch)
            if error is not None:
                left = due[done:]
                self._postpone(left, error, now + self._wait(left[0].id), now)
                return done
            self._record(name, batch, now, sent := sent + 1)
            done += len(batch)
        return done

    def _try(self, receiver: Receiver, batch: Sequence[Notification]) -> str | None:
        message = batch[0] if len(batch) == 1 else digest(batch)
        try:
            receiver.send(message, self._incident(message.incident))
        except Unavailable as error:
            return str(error)
        return None

    def _incident(self, incident_id: str) -> Mapping[str, Any]:
        try:
            return full_json(self._store, self._store.incident(incident_id))
        except NotFoundError:
            return {}

    def _record(self, name: str, batch: Sequence[Notification], now: int, sent: int) -> None:
        for message in batch:
            self._store.delivered(message.id, now)
        self._store.save_state(f"sent:{name}", orjson.dumps({"day": now // DAY, "count": sent}))

    def _sent_today(self, name: str, now: int) -> int:
        saved = self._store.state(f"sent:{name}")
        count = orjson.loads(saved) if saved else {"day": -1, "count": 0}
        return int(count["count"]) if count["day"] == now // DAY else 0

    def _postpone(self, batch: Sequence[Notification], error: str, until: int, now: int) -> None:
        for message in batch:
            self._store.failed(message.id, error, NEVER if now - message.created_at > GIVE_UP else until)

    def _wait(self, message: str) -> int:
        longest = min(LONGEST_RETRY, FIRST_RETRY * 2 ** min(self._store.attempts(message), 10))
        return int(longest * (0.5 + 0.5 * self._jitter()))


def _batches(due: Sequence[Notification], now: int) -> list[list[Notification]]:
    """Messages held back since an earlier day go together, today's one by one, oldest first."""
    held = [message for message in due if message.created_at // DAY < now // DAY]
    fresh = [[message] for message in due if message.created_at // DAY >= now // DAY]
    return [held, *fresh] if held else fresh


def digest(batch: Sequence[Notification]) -> Notification:
    """Several messages as one: their subjects with their times."""
    ids = "\0".join(message.id for message in batch)
    lines = [f"{from_ms(message.created_at)[:16]}Z  {message.subject}" for message in batch]
    return replace(
        batch[-1],
        id=hashlib.blake2b(ids.encode(), digest_size=16).hexdigest(),
        transition="digest",
        subject=f"moodstream: {len(batch)} messages that were held back",
        body="\n".join(lines),
    )
