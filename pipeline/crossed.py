"""One crossing, whoever found it, the detector or a rule, with the detector's figures; and what an incident takes from it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.detector import Detector, Firing, Kind
from pipeline.incidents import Alarm, rounded
from pipeline.records import BIN, Measured, Severity
from pipeline.rule_walk import Broken
from pipeline.rules import TONE

EVERYTHING = "*"  # the topic of a pipeline incident
MEANING: dict[str, tuple[str, Severity]] = {
    "share": ("share", "tone"),
    "both": ("share+volume", "incident"),
    "volume": ("volume", "annotation"),
}


@dataclass(frozen=True, slots=True)
class Crossed:
    """A topic left what is usual or what a rule allows. `tone`: it rests on what the model says of the posts."""

    firing: Firing
    rule: str
    severity: Severity
    tone: bool
    measured: Measured | None = None

    @property
    def topic(self) -> str:
        """Whose crossing it is."""
        return self.firing.topic

    @classmethod
    def of(cls, firing: Firing) -> Crossed:
        """The detector's."""
        rule, severity = MEANING[firing.kind]
        return cls(firing, rule, severity, tone=firing.kind != "volume")

    @classmethod
    def by_rule(cls, firing: Firing, broken: Broken) -> Crossed:
        """A rule's."""
        return cls(firing, broken.rule.key, broken.rule.severity, broken.rule.kind in TONE, broken.measured)

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Crossed:
        """The inverse of `dataclasses.asdict`. TypeError if this version has other fields."""
        measured = Measured(**saved["measured"]) if saved["measured"] else None
        return cls(**{**saved, "firing": Firing(**saved["firing"]), "measured": measured})

    def alarm(self) -> Alarm:
        """In the words of an incident, its figures with six decimals."""
        firing = self.firing
        return Alarm(
            topic=firing.topic,
            rule=self.rule,
            severity=self.severity,
            onset=firing.onset,
            fired=firing.fired,
            expected=rounded(firing.expected),
            expected_low=rounded(firing.expected_low),
            expected_high=rounded(firing.expected_high),
            expected_n=rounded(firing.expected_n),
            volume_ratio=rounded(firing.volume_ratio),
            measured=self.measured,
        )


def firing_since(detector: Detector, place: int, onset: int, t: int, kind: Kind = "share") -> Firing:
    """The detector's figures of a topic from the bin at `onset` to the one at `t`, which it has just taken; at most its window apart."""
    bins = [bin_ % detector.config.window for bin_ in range(onset // BIN, t // BIN + 1)]
    n, x, usual, volume, usual_volume = (float(v) for v in detector.state.recent[:, bins, place].sum(axis=1))
    expected = usual / n if n > 0 else float(detector.expected_share(t)[place])
    low, high = detector.interval(place, expected, n, len(bins))
    phi = float(detector.volume.state.phi[place])
    return Firing(
        topic=detector.topics[place],
        kind=kind,
        fired=t,
        onset=onset,
        n=n,
        negative=x,
        share=x / n if n > 0 else None,
        expected=expected,
        expected_low=low,
        expected_high=high,
        log_odds=float(detector.log_odds[place]),
        volume=volume,
        expected_n=usual_volume,
        volume_ratio=(volume + phi) / (usual_volume + phi),
        cold=detector.cold,
    )


def together(firings: Sequence[Firing], rule: str = "pipeline", cause: str = "") -> Alarm:
    """Many topics as one alarm: expected shares weighted by their posts, volumes added."""
    n = math.fsum(firing.n for firing in firings) or 1.0
    usual = math.fsum(firing.expected_n for firing in firings)

    def mean(values: Iterable[float]) -> float:
        return rounded(math.fsum(firing.n * value for firing, value in zip(firings, values, strict=True)) / n)

    return Alarm(
        topic=EVERYTHING,
        rule=rule,
        severity="pipeline",
        onset=min(firing.onset for firing in firings),
        fired=firings[0].fired,
        expected=mean(firing.expected for firing in firings),
        expected_low=mean(firing.expected_low for firing in firings),
        expected_high=mean(firing.expected_high for firing in firings),
        expected_n=rounded(usual),
        volume_ratio=rounded(math.fsum(firing.volume for firing in firings) / usual) if usual else 1.0,
        topics=tuple(sorted(firing.topic for firing in firings)),
        cause=cause,
    )
