"""From bins to stories: the detector over all topics, bin by bin, and what its crossings mean for the stories of the topics.

A pure function of (configuration, first bin, bins): no store, no clock. The service, `verify` and a rebuild walk the same bins
and come to the same alarms, to the last digit.
"""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import orjson

from pipeline.detector import Cleared, Detector, DetectorConfig, DetectorEvent, Escalated, Firing
from pipeline.incidents import Alarm, rounded
from pipeline.lifecycle import Story, opened, step
from pipeline.records import BIN, DAY, MINUTE, Bin, Severity, State

EVERYTHING = "*"  # the topic of a pipeline incident
MANY = 0.3  # more than this share of the topics in one bin, and at least three: not their stories but the pipeline's
LEAST_MANY = 3
ECHO = 30 * MINUTE  # topics that follow within this time belong to the same disturbance
LAST_15_MINUTES = 3  # bins
MEANING: dict[str, tuple[str, Severity]] = {
    "share": ("share", "tone"),
    "both": ("share+volume", "incident"),
    "volume": ("volume", "annotation"),
}
MAGIC = b"moodstream-crossings-1\n"


@dataclass(frozen=True, slots=True)
class Opened:
    """A new story."""

    alarm: Alarm


@dataclass(frozen=True, slots=True)
class Moved:
    """A story enters another state at `at`, the end of a bin."""

    topic: str
    onset: int
    rule: str
    state: State
    at: int


@dataclass(frozen=True, slots=True)
class Risen:
    """A change of tone is now an incident: the volume became rare too."""

    topic: str
    onset: int
    rule: str
    volume_ratio: float
    at: int


StoryEvent = Opened | Moved | Risen


@dataclass
class Open:
    """A story that is not closed: its key, and where it stands."""

    topic: str
    onset: int
    rule: str
    fired: int
    story: Story
    topics: list[str] = field(default_factory=list)  # of a pipeline story


class Crossings:
    """Walks over bins in order; `events = step(start, bins)`."""

    def __init__(self, begin: int, config: DetectorConfig | None = None, doubles: Mapping[str, Sequence[str]] | None = None) -> None:
        """Nothing learnt, the first bin to come is `begin`.

        `doubles`: topic → names of topics with the same bins, at other sensitivities. They have stories of their own and change
        nothing else.
        """
        self.detector = Detector([], begin, config)
        self._doubles = doubles or {}
        self._doubled = frozenset(name for names in self._doubles.values() for name in names)
        self.open: dict[str, Open] = {}
        self.digests: dict[int, int] = {}  # day → sum of the hashes of its bins
        self.places: dict[str, int] = {}

    @property
    def begin(self) -> int:
        """The first bin."""
        return self.detector.start

    @property
    def position(self) -> int:
        """The bin that comes next."""
        return self.detector.next

    def walk(self, bins: Sequence[Bin], until: int) -> Iterator[tuple[int, list[StoryEvent]]]:
        """Take every bin from the position to `until`, the empty ones too; `bins` are those with posts, by start."""
        place = 0
        while place < len(bins) and bins[place].start < self.position:
            place += 1
        while self.position < until:
            start, first = self.position, place
            while place < len(bins) and bins[place].start == start:
                place += 1
            yield start, self.step(start, bins[first:place])

    def step(self, start: int, bins: Sequence[Bin]) -> list[StoryEvent]:
        """Take the bin at `start`: what the topics with posts have to say. A topic is known from its first post on."""
        new = sorted(item.topic for item in bins if item.topic not in self.places)
        if new:
            self._add(new)
        columns = np.zeros((4, len(self.places)))
        for item in bins:
            for name in (item.topic, *self._doubles.get(item.topic, ())):
                columns[:, self.places[name]] = item.n, item.negative, item.volume, item.n_raw
        found = self.detector.step(start, columns[0], columns[1], columns[2], columns[3])
        if bins:
            day = start // DAY
            self.digests[day] = (self.digests.get(day, 0) + sum(map(bin_hash, bins))) % 2**64
        return self._stories(start, found) if found or self.open else []

    def _add(self, topics: Sequence[str]) -> None:
        self.detector.add_topics([name for topic in topics for name in (topic, *self._doubles.get(topic, ()))])
        if self._doubled:
            self.detector.learn_nothing_from(self._doubled)
        self.places = {topic: i for i, topic in enumerate(self.detector.topics)}

    def _stories(self, start: int, found: Sequence[DetectorEvent]) -> list[StoryEvent]:
        events: list[StoryEvent] = []
        firings = [event for event in found if isinstance(event, Firing)]
        escalations = [event for event in found if isinstance(event, Escalated)]
        lasting = {event.topic for event in found if isinstance(event, Cleared) and event.lasting}
        firings = self._pipeline(start, firings, events)
        fresh = {firing.topic for firing in firings if self._open(firing, events)}
        events += [event for e in escalations if (event := self._risen(e, start))]
        for key in sorted(self.open.keys() - fresh):
            events += self._advance(self.open[key], start, lasting)
        return events

    def _pipeline(self, start: int, firings: Sequence[Firing], events: list[StoryEvent]) -> list[Firing]:
        """The firings that are stories of their own; those of many topics at once become one story of the pipeline."""
        now = self.open.get(EVERYTHING)
        watched = [firing for firing in firings if firing.topic not in self._doubled]
        if now is not None and start - now.fired <= ECHO:
            now.topics += [firing.topic for firing in watched]
            return []
        if len(watched) < LEAST_MANY or len(watched) <= MANY * (len(self.detector.topics) - len(self._doubled)):
            return list(firings)
        firings = watched
        alarm = together(firings)
        excess = sum(self._excess(firing.topic) for firing in firings)
        self.open[EVERYTHING] = Open(EVERYTHING, alarm.onset, alarm.rule, start, opened(excess), [f.topic for f in firings])
        events.append(Opened(alarm))
        return []

    def _open(self, firing: Firing, events: list[StoryEvent]) -> bool:
        """Start a story, unless the topic has one that this belongs to. A volume story gives way to one of the share."""
        now = self.open.get(firing.topic)
        if now is not None and (now.rule != "volume" or firing.kind == "volume"):
            return False
        if now is not None:
            events.append(Moved(now.topic, now.onset, now.rule, "closed", firing.fired + BIN))
        alarm = alarm_of(firing)
        self.open[firing.topic] = Open(alarm.topic, alarm.onset, alarm.rule, alarm.fired, opened(self._excess(firing.topic)))
        events.append(Opened(alarm))
        return True

    def _risen(self, event: Escalated, start: int) -> Risen | None:
        now = self.open.get(event.topic)
        if now is None or now.rule != "share":
            return None
        return Risen(now.topic, now.onset, now.rule, event.volume_ratio, start + BIN)

    def _advance(self, now: Open, start: int, lasting: set[str]) -> list[StoryEvent]:
        topics = now.topics or [now.topic]
        active = any(self._active(topic, now.rule) for topic in topics)
        before = now.story.state
        now.story = step(now.story, start, active, math.fsum(self._excess(topic) for topic in topics))
        if now.topic in lasting:
            now.story = replace(now.story, state="closed")
        if now.story.state == "closed":
            del self.open[now.topic]
        if now.story.state == before:
            return []
        return [Moved(now.topic, now.onset, now.rule, now.story.state, start + BIN)]

    def _active(self, topic: str, rule: str) -> bool:
        state, place = self.detector.state, self.places[topic]
        share, volume = bool(state.active[place]), bool(state.volume_active[place])
        return volume if rule == "volume" else (share or volume) if rule == "pipeline" else share

    def _excess(self, topic: str) -> float:
        """Negatives of the last 15 minutes beyond the usual share of their posts."""
        recent = self.detector.state.recent[1:3, :, self.places[topic]]  # negatives, and negatives that are usual
        last = [(self.position // BIN - back) % recent.shape[1] for back in range(1, LAST_15_MINUTES + 1)]
        return float((recent[0, last] - recent[1, last]).sum())

    def to_bytes(self) -> bytes:
        """Everything that is needed to go on exactly here."""
        stories = [asdict(item) for _, item in sorted(self.open.items())]
        head = orjson.dumps({"open": stories, "digests": sorted(self.digests.items())})
        return MAGIC + len(head).to_bytes(8, "little") + head + self.detector.to_bytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> Crossings:
        """The inverse of `to_bytes`. ValueError if the bytes are damaged or of another version: walk the bins again then."""
        if not data.startswith(MAGIC):
            raise ValueError("not a saved state of this version")
        size = int.from_bytes(data[len(MAGIC) : len(MAGIC) + 8], "little")
        body = len(MAGIC) + 8
        try:
            return cls._restored(orjson.loads(data[body : body + size]), Detector.from_bytes(data[body + size :]))
        except (KeyError, TypeError) as error:  # a field that this version doesn't have, or one that it misses
            raise ValueError("a saved state of another version") from error

    @classmethod
    def _restored(cls, head: dict[str, Any], detector: Detector) -> Crossings:
        walk = cls(detector.start, detector.config)
        walk.detector = detector
        walk.places = {topic: i for i, topic in enumerate(detector.topics)}
        walk.digests = {int(day): int(total) for day, total in head["digests"]}
        walk.open = {item["topic"]: Open(**{**item, "story": Story(**item["story"])}) for item in head["open"]}
        return walk


def alarm_of(firing: Firing) -> Alarm:
    """A firing in the words of an incident, its figures with six decimals."""
    rule, severity = MEANING[firing.kind]
    return Alarm(
        topic=firing.topic,
        rule=rule,
        severity=severity,
        onset=firing.onset,
        fired=firing.fired,
        expected=rounded(firing.expected),
        expected_low=rounded(firing.expected_low),
        expected_high=rounded(firing.expected_high),
        expected_n=rounded(firing.expected_n),
        volume_ratio=rounded(firing.volume_ratio),
    )


def together(firings: Sequence[Firing]) -> Alarm:
    """Many topics as one alarm: expected shares weighted by their posts, volumes added."""
    n = math.fsum(firing.n for firing in firings) or 1.0
    usual = math.fsum(firing.expected_n for firing in firings)

    def mean(values: Iterable[float]) -> float:
        return rounded(math.fsum(firing.n * value for firing, value in zip(firings, values, strict=True)) / n)

    return Alarm(
        topic=EVERYTHING,
        rule="pipeline",
        severity="pipeline",
        onset=min(firing.onset for firing in firings),
        fired=firings[0].fired,
        expected=mean(firing.expected for firing in firings),
        expected_low=mean(firing.expected_low for firing in firings),
        expected_high=mean(firing.expected_high for firing in firings),
        expected_n=rounded(usual),
        volume_ratio=rounded(math.fsum(firing.volume for firing in firings) / usual) if usual else 1.0,
        topics=tuple(sorted(firing.topic for firing in firings)),
    )


def bin_hash(item: Bin) -> int:
    """64 bits of all that the detector reads of a bin."""
    seen = struct.pack("<qdddq", item.start, item.n, item.negative, item.volume, item.n_raw) + item.topic.encode()
    return int.from_bytes(hashlib.blake2b(seen, digest_size=8).digest(), "little")


def digests(bins: Iterable[Bin]) -> dict[int, int]:
    """Day → sum of the hashes of its bins: two walks over equal bins have equal digests."""
    out: dict[int, int] = {}
    for item in bins:
        day = item.start // DAY
        out[day] = (out.get(day, 0) + bin_hash(item)) % 2**64
    return out
