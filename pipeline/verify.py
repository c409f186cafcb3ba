"""Is every figure and quote of an incident still what the stored posts say? Recomputed, compared, and explained where it differs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import orjson

from pipeline import outages
from pipeline.baseline import BaselineConfig
from pipeline.crossings import WALK, Crossings, Opened, digests
from pipeline.detector import VERSION, DetectorConfig
from pipeline.disturbances import Hold
from pipeline.drivers import drivers
from pipeline.evidence import choose, text_hash
from pipeline.incidents import BEFORE, Alarm, Observed, observe, sentence, topics_of
from pipeline.incidents import VERSION as FIGURES
from pipeline.ports import Store
from pipeline.records import BIN, DAY, Adjusted, Bin, Incident, Measured, Without, from_ms, to_json
from pipeline.rules import Rule, counted
from pipeline.volume import VolumeConfig
from pipeline.watch import DAY_SLOTS

Result = Literal["equal", "changed", "wrong"]
EXIT_CODES: dict[Result, int] = {"equal": 0, "changed": 1, "wrong": 2}
FROM_DETECTOR = ("onset", "expected", "expected_low", "expected_high", "expected_n", "volume_ratio", "measured", "cause")
FROM_WINDOW = ("n", "n_raw", "share", "low", "high", "intensity", "coordinated", "model")
SHARES = ("share", "low", "high")
FROM_DAY = ("emotions", "emotions_before", "drivers", "evidence", "adjusted", "without", "sentence")


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure as it was sent and as it comes out now."""

    name: str
    stored: Any
    recomputed: Any
    result: Result
    why: str  # "" if equal

    @property
    def sent(self) -> str:
        """What was sent, as text."""
        return _text(self.stored)

    @property
    def now(self) -> str:
        """What comes out now, as text."""
        return _text(self.recomputed)


@dataclass(frozen=True, slots=True)
class Verification:
    """All figures of one incident."""

    incident: str
    figures: tuple[Figure, ...]

    @property
    def result(self) -> Result:
        """The worst of the figures."""
        return max((figure.result for figure in self.figures), key=EXIT_CODES.__getitem__, default="equal")

    @property
    def exit_code(self) -> int:
        """0 all equal, 1 something changed since and it is known why, 2 something is wrong."""
        return EXIT_CODES[self.result]

    def to_json(self) -> dict[str, Any]:
        """`{"incident", "result", "figures": [{"name", "stored", "recomputed", "result", "why"}]}`."""
        return {"incident": self.incident, "result": self.result, "figures": [asdict(figure) for figure in self.figures]}


def verify(store: Store, incident: Incident) -> Verification:
    """Recompute every figure and quote over the documents with ingested_at <= as_of. Raises StoreError."""
    return verify_all(store, [incident])[0]


def verify_all(store: Store, incidents: Sequence[Incident]) -> list[Verification]:
    """The same for many, in their order; incidents that were found in one tick share one walk over the bins."""
    groups: dict[tuple[str, int], list[Incident]] = {}
    for incident in incidents:
        groups.setdefault((incident.detector, incident.as_of), []).append(incident)
    replays = {key: _replay(store, found) for key, found in groups.items()}
    return [_verify(store, incident, replays[incident.detector, incident.as_of]) for incident in incidents]


def fired_bin(incident: Incident) -> int:
    """Start of the bin whose data made it fire; of a late incident too."""
    return incident.end - BIN


@dataclass(frozen=True, slots=True)
class _Replay:
    """The alarms of a second walk over the bins as they were at `as_of`, and what another version made differently."""

    alarms: dict[tuple[str, int, str], Alarm]
    since: int = 0
    other_detector: str = ""
    other_figures: str = ""


def _replay(store: Store, incidents: Sequence[Incident]) -> _Replay:
    rules = orjson.loads(store.state(f"detector:{incidents[0].detector}") or b"null")
    if rules is None:
        return _Replay({})
    other_figures = _other("the figures", rules["figures"], FIGURES)
    for what, then, now in (("the detector", rules["version"], VERSION), ("the walk", rules.get("walk", 1), WALK)):
        if then != now:
            return _Replay({}, 0, _other(what, then, now), other_figures)
    until = max(incident.end for incident in incidents)
    try:
        fresh = _fresh(rules)
    except TypeError:  # a constant that this version doesn't have, or one that it misses
        return _Replay({}, 0, "made by a detector with other constants than this version has", other_figures)
    as_of = incidents[0].as_of
    bins = counted(store, store.bins(sorted(_known(store)), fresh.begin, until, as_of), fresh.rules.rules, fresh.begin, until, as_of)
    walk = _shortcut(store, fresh, bins, min(fired_bin(incident) for incident in incidents))
    alarms = [event.alarm for _, events in walk.walk(bins, until) for event in events if isinstance(event, Opened)]
    return _Replay({(alarm.topic, alarm.fired, alarm.rule): alarm for alarm in alarms}, rules["begin"], "", other_figures)


def _other(what: str, then: int, now: int) -> str:
    return "" if then == now else f"made by version {then} of {what}, this is version {now}"


def _fresh(saved: dict[str, Any]) -> Crossings:
    """A walk at its first bin, as it was remembered. TypeError if this version has other constants."""
    rules, holds = [Rule.from_json(one) for one in saved.get("rules", ())], [Hold(**one) for one in saved.get("holds", ())]
    return Crossings(saved["begin"], config_of(saved["config"]), rules=rules, holds=holds)


def _shortcut(store: Store, fresh: Crossings, bins: Sequence[Bin], before: int) -> Crossings:
    """The newest saved walk that stands at or before a bin and has seen these very bins; else a walk from the first bin.

    A walk is a function of its bins, so one whose bins have the same digests is as good as a new one, in a twentieth of the time.
    """
    found = digests(bins)
    best = fresh
    for name in DAY_SLOTS:
        data = store.state(name)
        try:
            walk = Crossings.from_bytes(data) if data else best
        except ValueError:
            continue
        same = {day: total for day, total in found.items() if day * DAY < walk.position} == walk.digests
        alike = (walk.begin, walk.detector.config, walk.rules.rules) == (fresh.begin, fresh.detector.config, fresh.rules.rules)
        if same and alike and best.position < walk.position <= before:
            best = walk
    best.holds = fresh.holds
    return best


def config_of(saved: dict[str, Any]) -> DetectorConfig:
    """A detector's configuration from its JSON. TypeError if this version has other constants."""
    baseline: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in saved["baseline"].items()}
    return DetectorConfig(**{**saved, "baseline": BaselineConfig(**baseline), "volume": VolumeConfig(**saved["volume"])})


def _verify(store: Store, incident: Incident, replay: _Replay) -> Verification:
    known = _known(store)
    if incident.rule == outages.RULE:
        alarm: Alarm | None = outages.alarm_of(store, sorted(known), incident.onset, fired_bin(incident), incident.as_of, incident.cause)
    else:
        alarm = replay.alarms.get((incident.topic, fired_bin(incident), incident.rule))
    used = alarm or _stored_alarm(incident)
    topics = sorted(known.intersection(topics_of(used)))
    seen = observe(store, used, incident.as_of) if topics or used.severity == "pipeline" else None
    window = replay.other_figures or _explain(store, topics, incident.start, incident.end, incident.as_of)
    day = replay.other_figures or _explain(store, topics, incident.start - BEFORE, incident.end, incident.as_of)
    history = replay.other_detector or _explain(store, sorted(known), replay.since, incident.end, incident.as_of)
    now: dict[str, Any] = {name: getattr(alarm, name) if alarm else None for name in FROM_DETECTOR}
    now |= _observed(used, seen)
    reasons = {**dict.fromkeys(FROM_DETECTOR, history), **dict.fromkeys(FROM_WINDOW, window), **dict.fromkeys(FROM_DAY, day or history)}
    figures = [_figure(name, getattr(incident, name), now[name], why) for name, why in reasons.items()]
    return Verification(
        incident.id, (*figures, *_quotes(store, incident, _explain(store, topics, incident.start, incident.end, incident.as_of)))
    )


def _known(store: Store) -> set[str]:
    return {summary.topic for summary in store.topics()}


def _stored_alarm(incident: Incident) -> Alarm:
    """The alarm that the stored figures name, for what can be checked when the detector doesn't fire any more."""
    return Alarm(
        topic=incident.topic,
        rule=incident.rule,
        severity=incident.severity,
        onset=incident.onset,
        fired=fired_bin(incident),
        expected=incident.expected,
        expected_low=incident.expected_low,
        expected_high=incident.expected_high,
        expected_n=incident.expected_n,
        volume_ratio=incident.volume_ratio,
        measured=incident.measured,
        cause=incident.cause,
    )


def _observed(alarm: Alarm, seen: Observed | None) -> dict[str, Any]:
    if seen is None:
        return dict.fromkeys((*FROM_WINDOW, *FROM_DAY))
    return {
        **{name: getattr(seen, name) for name in (*FROM_WINDOW, "emotions", "emotions_before", "adjusted", "without")},
        "drivers": drivers(seen.parts),
        "evidence": choose(seen.sample, seen.parts, negatives=alarm.rule != "volume"),
        "sentence": sentence(alarm, seen),
    }


def _figure(name: str, stored: Any, now: Any, why: str) -> Figure:
    if stored == now:
        return Figure(name, _plain(name, stored), _plain(name, now), "equal", "")
    reason = why or "no stored post was erased, edited, expired or re-scored since"
    return Figure(name, _plain(name, stored), _plain(name, now), "changed" if why else "wrong", reason)


def _plain(name: str, value: Any) -> Any:
    """A figure as JSON."""
    if name == "onset" and value is not None:
        return from_ms(value)
    if isinstance(value, Measured | Adjusted | Without):
        return to_json(value)
    return [to_json(item) for item in value] if isinstance(value, tuple) else value


def _text(value: Any) -> str:
    """A figure for people: a driver as `term delay 71 %`, a post by its id."""
    if value is None:
        return "–"
    if isinstance(value, dict) and "limit" in value:
        return f"{value['value']:g} over {value['n']:g} posts, {value['side']} {value['limit']:g}"
    if isinstance(value, dict) and "share" in value:
        return ", ".join(f"{name} {part:.1%}" if name in SHARES else f"{name} {part}" for name, part in value.items())
    if isinstance(value, dict):
        return ", ".join(f"{name} {part:.1%}" for name, part in value.items()) or "none"
    if isinstance(value, list):
        parts = [f"{item['kind']} {item['name']} {item['share']:.1%}" if "kind" in item else item["id"] for item in value]
        return ", ".join(parts) or "none"
    return str(value)


def _quotes(store: Store, incident: Incident, why: str) -> Iterable[Figure]:
    """Each evidence post: is its text the one that was quoted?"""
    found = store.get([item.id for item in incident.evidence])
    for item in incident.evidence:
        now = text_hash(found[item.id].post.text) if item.id in found else None
        yield _figure(f"quote {item.id}", item.text_hash, now, why)


def _explain(store: Store, topics: Sequence[str], since: int, until: int, after: int) -> str:
    """What happened since to posts created in [since, until): "1 post erased, 2 posts edited"; "" if nothing."""
    counts: Counter[str] = Counter()
    for topic in topics:
        for change in store.changes(topic, since, until, after):
            counts[change.kind] += change.count
    return ", ".join(f"{count} {'post' if count == 1 else 'posts'} {kind}" for kind, count in sorted(counts.items()))
