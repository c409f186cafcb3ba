"""Times in which posts did not come through: the store could not be used, or what arrives was published long ago.

Such a time is one incident of the pipeline, and a span of bins in which changes of tone are held back (pipeline/disturbances.py).
While the store is away nothing can be kept in it: the incident is stored when it is back, and who can be reached is warned at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace

import orjson

from pipeline.crossed import EVERYTHING
from pipeline.disturbances import Hold
from pipeline.incidents import Alarm, incident_id, rounded, totals
from pipeline.notify import Subscription, message_id
from pipeline.ports import Store, TrendReader
from pipeline.records import BIN, DAY, MINUTE, Notification, from_ms
from pipeline.trends import floor_to, share_interval

RULE = "outage"
STATE = "pipeline:holds"  # the name under which the store keeps the spans
LEAST = 30_000  # ms without the store; shorter is a hiccup
LAG = 10 * MINUTE  # between publishing and storing
MOST_TOPICS = 50  # the busiest: figures are over their posts


class Outages:
    """Notices outages of one store from what its user sees. A passive object: whoever calls it owns the clock."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._holds: list[Hold] | None = None
        self._failing_since: int | None = None
        self._seen: tuple[int, int] | None = None  # the last look and the watermark then
        self._warned = False  # somebody was told while it goes on

    @property
    def holds(self) -> tuple[Hold, ...]:
        """All spans so far, the last one open while an outage goes on. Raises StoreError."""
        if self._holds is None:
            saved = self._store.state(STATE)
            self._holds = [Hold(**one) for one in orjson.loads(saved)] if saved else []
        return tuple(self._holds)

    @property
    def current(self) -> Hold | None:
        """The span that has no end yet."""
        return next((hold for hold in self.holds if hold.until is None), None)

    def failed(self, now: int) -> None:
        """A call to the store failed."""
        self._failing_since = now if self._failing_since is None else self._failing_since

    def due(self, now: int) -> int | None:
        """When an outage began of which nobody was told yet, ms; asked again it is None. Nothing is read from the store."""
        since, known = self._failing_since, any(hold.until is None for hold in self._holds or ())
        if since is None or now - since < LEAST or self._warned or known:
            return None
        self._warned = True
        return since

    def look(self, now: int, as_of: int, position: int) -> None:
        """The store answers: spans begin and end here.

        `as_of`: the watermark; `position`: the bin that the detector takes next. Raises StoreError; then look again.
        """
        since = self._failing_since
        away = since is not None and now - since >= LEAST
        looked, before = self._seen or (now, as_of)
        late = as_of > before and looked - as_of > LAG  # the newest arrival was long past already when it was not there yet
        current = self.current
        if current is not None and not away and not late:
            self._keep([*self.holds[:-1], replace(current, until=floor_to(now, BIN) + BIN)])
        elif current is None and (away or late):
            self._keep([*self.holds, self._noticed(now, as_of, position, since if away else None)])
        self._failing_since, self._seen, self._warned = None, (now, as_of), False

    def _noticed(self, now: int, as_of: int, position: int, failing_since: int | None) -> Hold:
        began = as_of if failing_since is None else failing_since
        onset = floor_to(began, BIN)
        if failing_since is None:
            cause = f"Posts are stored {(now - as_of) // MINUTE} minutes after they were published"
        else:
            cause = f"The store could not be used from {from_ms(began)[11:16]} to {from_ms(now)[11:16]} UTC"
        return Hold(min(position, onset), None, onset, RULE, floor_to(now, BIN), cause)

    def _keep(self, holds: Sequence[Hold]) -> None:
        self._store.save_state(STATE, orjson.dumps([asdict(hold) for hold in holds]))
        self._holds = list(holds)


def warnings(began: int, subscriptions: Sequence[Subscription], now: int) -> list[Notification]:
    """What can be said while the store is away: messages of the incident that will be stored when it is back, under their ids."""
    incident = incident_id(EVERYTHING, floor_to(began, BIN), RULE)
    body = (
        f"The store can't be used since {from_ms(began)[11:16]} UTC. Posts wait where they come from, and nothing is found meanwhile; "
        f"changes of tone in that time are held back. When the store is back this is incident {incident}."
    )
    return [
        Notification(
            message_id(incident, "opened", one.receiver), incident, "opened", one.receiver, "moodstream: the store can't be used", body, now
        )
        for one in subscriptions
        if not one.severities or "pipeline" in one.severities
    ]


def alarm_of(store: TrendReader, topics: Sequence[str], onset: int, fired: int, as_of: int, cause: str) -> Alarm:
    """An outage in the words of an incident: what is expected is what the day before its onset brought. Raises StoreError."""
    bins = store.bins(topics, onset - DAY, fired + BIN, as_of)
    posts: Counter[str] = Counter()
    for item in bins:
        posts[item.topic] += item.n_raw
    chosen = sorted(sorted(posts, key=lambda topic: (-posts[topic], topic))[:MOST_TOPICS])
    before = [item for item in bins if item.topic in chosen and item.start < onset]
    n, n_raw, negative = totals(before)
    share = negative / n if n else 0.0
    low, high = share_interval(share, n_raw) if n_raw else (0.0, 1.0)
    usual = sum(item.volume for item in before) * (fired + BIN - onset) / DAY
    volume = sum(item.volume for item in bins if item.topic in chosen and item.start >= onset)
    return Alarm(
        topic=EVERYTHING,
        rule=RULE,
        severity="pipeline",
        onset=onset,
        fired=fired,
        expected=rounded(share),
        expected_low=rounded(low),
        expected_high=rounded(high),
        expected_n=rounded(usual),
        volume_ratio=rounded(volume / usual) if usual else 1.0,
        topics=tuple(chosen),
        cause=cause,
    )
