"""From bins to stories: the detector over all topics, bin by bin, and what its crossings mean for the stories of the topics.

A pure function of (configuration, first bin, bins): no store, no clock. The service, `verify` and a rebuild walk the same bins
and come to the same alarms, to the last digit.
"""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from pipeline.crossed import EVERYTHING, Crossed, firing_since, together
from pipeline.detector import Cleared, Detector, DetectorConfig, DetectorEvent, Escalated, Firing
from pipeline.disturbances import RELEARN, Hold, Models
from pipeline.incidents import Alarm
from pipeline.lifecycle import Story, opened, step
from pipeline.records import BIN, DAY, MINUTE, Bin, Held, State
from pipeline.rule_walk import Broken, Counts, Rules, carried
from pipeline.rules import Rule
from pipeline.snapshot import Array, pack, unpack

MANY = 0.3  # more than this share of the topics in one bin, and at least three: not their stories but the pipeline's
LEAST_MANY = 3
ECHO = 30 * MINUTE  # topics that follow within this time belong to the same disturbance
MOST_TOPICS = 50  # of a change of the model, the busiest: its figures are over their posts
LAST_15_MINUTES = 3  # bins
WALK = 2  # of what the walk makes of the detector's crossings; raise it when the same bins would open other stories
MAGIC = b"moodstream-crossings-2\n"


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


@dataclass(frozen=True, slots=True)
class Joined:
    """Something else says the same of an open story: a rule, the detector, or a change of the model."""

    topic: str
    onset: int
    rule: str
    by: str
    at: int


@dataclass(frozen=True, slots=True)
class Inhibited:
    """A crossing that opens no story, as one of the pipeline explains it; `topic`, `onset` and `rule` are of that one."""

    topic: str
    onset: int
    rule: str
    held: Held
    at: int


StoryEvent = Opened | Moved | Risen | Joined | Inhibited


@dataclass
class Open:
    """A story that is not closed: its key, and where it stands."""

    topic: str
    onset: int
    rule: str
    fired: int
    story: Story
    topics: list[str] = field(default_factory=list)  # of a pipeline story
    joined: list[str] = field(default_factory=list)  # what else says so: rules, or "share"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A change of tone that began while posts didn't come through: if it is still there afterwards, it is a story."""

    topic: str
    rule: str
    onset: int
    crossed: Crossed


class Crossings:
    """Walks over bins in order; `events = step(start, bins)`."""

    def __init__(
        self,
        begin: int,
        config: DetectorConfig | None = None,
        doubles: Mapping[str, Sequence[str]] | None = None,
        *,
        rules: Sequence[Rule] = (),
        holds: Sequence[Hold] = (),
    ) -> None:
        """Nothing learnt, the first bin to come is `begin`.

        `doubles`: topic → names of topics with the same bins, at other sensitivities. They have stories of their own and change
        nothing else. `rules` stand beside the detector; in the spans of `holds` a change of tone opens no story.
        """
        self.detector = Detector([], begin, config)
        self.rules = Rules(rules)
        self.holds = tuple(holds)
        self._doubles = doubles or {}
        self._doubled = frozenset(name for names in self._doubles.values() for name in names)
        self.open: dict[str, Open] = {}
        self.digests: dict[int, int] = {}  # day → sum of the hashes of its bins
        self.places: dict[str, int] = {}
        self.models = Models()
        self.relearning: Hold | None = None  # since the last change of the model
        self.waiting: dict[str, Waiting] = {}

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
            self._add(new, start)
        columns = np.zeros((5, len(self.places)))
        for item in bins:
            for name in (item.topic, *self._doubles.get(item.topic, ())):
                columns[:, self.places[name]] = item.n, item.negative, item.volume, item.n_raw, item.intensity
        found = self.detector.step(start, columns[0], columns[1], columns[2], columns[3])
        broken = self._broken(start, bins, columns) if self.rules.rules else []
        news = self.models.take(start, bins)
        if bins:
            day = start // DAY
            self.digests[day] = (self.digests.get(day, 0) + sum(map(bin_hash, bins))) % 2**64
        events: list[StoryEvent] = []
        if news[0]:
            self._new_model(start, bins, *news, events)
        if found or broken or self.open or self.waiting:
            self._stories(start, found, broken, events)
        return events

    def take_rules(self, rules: Sequence[Rule], bins: Sequence[Bin]) -> None:
        """Go on with other rules; those that are new begin at the position or later. `bins`: of the day before it, with their mentions."""
        known = self.position - self.detector.volume.state.seen * BIN
        self.rules = carried(self.rules, rules, bins, self.position, known)

    def _broken(self, start: int, bins: Sequence[Bin], columns: NDArray[np.float64]) -> list[Broken]:
        mentions = np.zeros((len(self.rules.terms), len(self.places)))
        if len(mentions):
            for item in bins:
                mentions[:, self.places[item.topic]] = item.mentions or 0.0
        return self.rules.step(start, Counts(columns[0], columns[1], columns[2], columns[4], mentions))

    def _add(self, topics: Sequence[str], start: int) -> None:
        self.detector.add_topics([name for topic in topics for name in (topic, *self._doubles.get(topic, ()))])
        if self._doubled:
            self.detector.learn_nothing_from(self._doubled)
        known = len(self.places)
        self.places = {topic: i for i, topic in enumerate(self.detector.topics)}
        self.rules.add_topics(self.detector.topics[known:], start)

    def _stories(self, start: int, found: Sequence[DetectorEvent], broken: Sequence[Broken], events: list[StoryEvent]) -> None:
        crossed = self._released(start)
        crossed += [Crossed.of(event) for event in found if isinstance(event, Firing)]
        crossed += [self._of_rule(one, start) for one in broken]
        escalations = [event for event in found if isinstance(event, Escalated)]
        lasting = {event.topic for event in found if isinstance(event, Cleared) and event.lasting}
        crossed = self._pipeline(start, self._without_held(start, crossed, events), events)
        fresh = {one.topic for one in crossed if self._open(one, events)}
        events += [event for e in escalations if (event := self._risen(e, start))]
        for key in sorted(self.open.keys() - fresh):
            events += self._advance(self.open[key], start, lasting)

    def _of_rule(self, broken: Broken, start: int) -> Crossed:
        """A broken rule with the detector's figures, from where its window begins; the detector looks back four hours."""
        place = self.places[broken.topic]
        onset = max(broken.since, start - (self.detector.config.window - 1) * BIN)
        return Crossed.by_rule(firing_since(self.detector, place, onset, start), broken)

    # ---- disturbances of everything ----

    def _new_model(self, start: int, bins: Sequence[Bin], new: Sequence[str], before: Sequence[str], events: list[StoryEvent]) -> None:
        """Another model scores: one story of the pipeline, and changes of tone are held back until what is usual is learnt again."""
        now = self.open.get(EVERYTHING)
        if now is None:
            busiest = sorted((item for item in bins if set(new) & set(item.models)), key=lambda item: (-item.n, item.topic))[:MOST_TOPICS]
            firings = [firing_since(self.detector, self.places[item.topic], start, start) for item in busiest]
            alarm = together(firings, "model", f"{', '.join(before)} → {', '.join(new)}")
            now = Open(EVERYTHING, alarm.onset, alarm.rule, start, opened(0.0))
            events.append(Opened(alarm))
            self.open[EVERYTHING] = now
        else:
            now.joined.append("model")
            events.append(Joined(now.topic, now.onset, now.rule, "model", start + BIN))
        self.relearning = Hold(start, start + RELEARN, now.onset, now.rule)

    def _hold(self, start: int) -> Hold | None:
        """What holds back changes of tone in this bin."""
        holds = [hold for hold in (self.relearning, *self.holds) if hold is not None and hold.covers(start)]
        return holds[0] if holds else None

    def _without_held(self, start: int, crossed: Sequence[Crossed], events: list[StoryEvent]) -> list[Crossed]:
        """Those that may open stories: not a change of tone while something of the pipeline explains it."""
        hold = self._hold(start)
        if hold is None:
            return list(crossed)
        held = [one for one in crossed if one.tone]
        self._inhibit(held, hold.onset, hold.rule, start, events)
        if hold is not self.relearning:
            for one in held:
                self.waiting.setdefault(one.topic, Waiting(one.topic, one.rule, one.firing.onset, one))
        return [one for one in crossed if not one.tone]

    def _released(self, start: int) -> list[Crossed]:
        """Changes that began while posts didn't come through and are still there now that all are in."""
        if not self.waiting or self._hold(start) is not None:
            return []
        waiting, self.waiting = self.waiting, {}
        earliest = start - (self.detector.config.window - 1) * BIN
        out = []
        for name, one in sorted(waiting.items()):
            if self._active(name, one.rule) and (one.crossed.measured or self.detector.log_odds[self.places[name]] > 0):
                firing = firing_since(self.detector, self.places[name], max(one.onset, earliest), start, one.crossed.firing.kind)
                out.append(replace(one.crossed, firing=firing))
        return out

    def _inhibit(self, crossed: Sequence[Crossed], onset: int, rule: str, start: int, events: list[StoryEvent]) -> None:
        for one in crossed:
            if one.topic not in self._doubled:
                held = Held(one.topic, one.rule, one.firing.onset, one.firing.fired)
                events.append(Inhibited(EVERYTHING, onset, rule, held, start + BIN))

    def _pipeline(self, start: int, crossed: Sequence[Crossed], events: list[StoryEvent]) -> list[Crossed]:
        """The crossings that are stories of their own; those of many topics at once become one story of the pipeline."""
        now = self.open.get(EVERYTHING)
        watched = {one.topic: one for one in reversed(crossed) if one.topic not in self._doubled}
        if now is not None and now.rule == "pipeline" and start - now.fired <= ECHO:
            now.topics += sorted(watched.keys() - set(now.topics))
            self._inhibit(crossed, now.onset, now.rule, start, events)
            return []
        if len(watched) < LEAST_MANY or len(watched) <= MANY * (len(self.detector.topics) - len(self._doubled)):
            return list(crossed)
        topics = sorted(watched)
        if now is None:
            alarm = together([watched[topic].firing for topic in topics])
            excess = sum(self._excess(topic) for topic in topics)
            now = self.open[EVERYTHING] = Open(EVERYTHING, alarm.onset, alarm.rule, start, opened(excess), topics)
            events.append(Opened(alarm))
        self._inhibit(crossed, now.onset, now.rule, start, events)
        return []

    # ---- stories of topics ----

    def _open(self, crossed: Crossed, events: list[StoryEvent]) -> bool:
        """Start a story, unless the topic has one that this belongs to. A volume story gives way to any other."""
        now, topic = self.open.get(crossed.topic), crossed.topic
        if now is not None and (now.rule != "volume" or crossed.rule == "volume"):
            self._join(now, crossed, events)
            return False
        if now is not None:
            events.append(Moved(now.topic, now.onset, now.rule, "closed", crossed.firing.fired + BIN))
        alarm = crossed.alarm()
        self.open[topic] = Open(alarm.topic, alarm.onset, alarm.rule, alarm.fired, opened(self._excess(topic)))
        events.append(Opened(alarm))
        return True

    def _join(self, now: Open, crossed: Crossed, events: list[StoryEvent]) -> None:
        """What says the same of an open story is told with it; nobody is told twice, but for a story that becomes more severe."""
        if crossed.rule in (now.rule, *now.joined) or crossed.rule == "volume":
            return
        now.joined.append(crossed.rule)
        at = crossed.firing.fired + BIN
        events.append(Joined(now.topic, now.onset, now.rule, crossed.rule, at))
        if crossed.severity == "incident":
            events.append(Risen(now.topic, now.onset, now.rule, crossed.firing.volume_ratio, at))

    def _risen(self, event: Escalated, start: int) -> Risen | None:
        now = self.open.get(event.topic)
        if now is None or "share" not in (now.rule, *now.joined):
            return None
        return Risen(now.topic, now.onset, now.rule, event.volume_ratio, start + BIN)

    @property
    def _keys(self) -> Collection[str]:
        return [rule.key for rule in self.rules.rules]

    def _advance(self, now: Open, start: int, lasting: set[str]) -> list[StoryEvent]:
        topics = now.topics if now.topic == EVERYTHING else [now.topic]
        active = any(self._active(topic, rule) for topic in (topics or [EVERYTHING]) for rule in (now.rule, *now.joined))
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
        if rule == "model":
            return self.relearning is not None and self.relearning.covers(self.position - BIN)
        state, place = self.detector.state, self.places[topic]
        share, volume = bool(state.active[place]), bool(state.volume_active[place])
        if rule == "pipeline":
            return share or volume or any(self.rules.active(key, place) for key in self._keys)
        return volume if rule == "volume" else share if rule in ("share", "share+volume") else self.rules.active(rule, place)

    def _excess(self, topic: str) -> float:
        """Negatives of the last 15 minutes beyond the usual share of their posts."""
        recent = self.detector.state.recent[1:3, :, self.places[topic]]  # negatives, and negatives that are usual
        last = [(self.position // BIN - back) % recent.shape[1] for back in range(1, LAST_15_MINUTES + 1)]
        return float((recent[0, last] - recent[1, last]).sum())

    # ---- saved and restored ----

    def to_bytes(self) -> bytes:
        """Everything that is needed to go on exactly here; the spans in which stories are held back are given anew."""
        head = {
            "open": [asdict(item) for _, item in sorted(self.open.items())],
            "digests": sorted(self.digests.items()),
            "models": self.models.last,
            "relearning": self.relearning and asdict(self.relearning),
            "waiting": [asdict(item) for _, item in sorted(self.waiting.items())],
            "rules": self.rules.head(),
        }
        parts = (orjson.dumps(head), pack({}, self.rules.arrays()), self.detector.to_bytes())
        return MAGIC + b"".join(len(part).to_bytes(8, "little") + part for part in parts)

    @classmethod
    def from_bytes(cls, data: bytes) -> Crossings:
        """The inverse of `to_bytes`. ValueError if the bytes are damaged or of another version: walk the bins again then."""
        if not data.startswith(MAGIC):
            raise ValueError("not a saved state of this version")
        parts, place = [], len(MAGIC)
        while place < len(data):
            size = int.from_bytes(data[place : place + 8], "little")
            parts.append(data[place + 8 : place + 8 + size])
            place += 8 + size
        try:
            head, rules, detector = parts
            return cls._restored(orjson.loads(head), unpack(rules)[1], Detector.from_bytes(detector))
        except (KeyError, TypeError) as error:  # a field that this version doesn't have, or one that it misses
            raise ValueError("a saved state of another version") from error

    @classmethod
    def _restored(cls, head: dict[str, Any], arrays: dict[str, Array], detector: Detector) -> Crossings:
        walk = cls(detector.start, detector.config)
        walk.detector = detector
        walk.rules = Rules.restored(head["rules"], arrays, detector.topics)
        walk.places = {topic: i for i, topic in enumerate(detector.topics)}
        walk.digests = {int(day): int(total) for day, total in head["digests"]}
        walk.open = {item["topic"]: Open(**{**item, "story": Story(**item["story"])}) for item in head["open"]}
        walk.models = Models(head["models"])
        walk.relearning = Hold(**head["relearning"]) if head["relearning"] else None
        walk.waiting = {item["topic"]: Waiting(**{**item, "crossed": Crossed.from_json(item["crossed"])}) for item in head["waiting"]}
        return walk


def bin_hash(item: Bin) -> int:
    """64 bits of what the walk reads of a bin, but for the mentions: a post that changes them changes other figures too."""
    names = "\0".join((item.topic, *item.models)).encode()
    seen = struct.pack("<qqdddd", item.start, item.n_raw, item.n, item.negative, item.volume, item.intensity) + names
    return int.from_bytes(hashlib.blake2b(seen, digest_size=8).digest(), "little")


def digests(bins: Iterable[Bin]) -> dict[int, int]:
    """Day → sum of the hashes of its bins: two walks over equal bins have equal digests."""
    out: dict[int, int] = {}
    for item in bins:
        day = item.start // DAY
        out[day] = (out.get(day, 0) + bin_hash(item)) % 2**64
    return out
