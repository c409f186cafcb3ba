"""What disturbs every topic at once: another model, and times in which posts didn't come through. Functions of bins and of spans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pipeline.records import DAY, Bin

RELEARN = DAY  # after a model's first post; in that time the detector takes what lasts for the new level


@dataclass(frozen=True, slots=True)
class Hold:
    """A span of bins, since <= start < until, in which a change of tone opens no incident; `until` None: it goes on.

    `onset` and `rule` name the incident of the pipeline that is to blame.
    """

    since: int
    until: int | None
    onset: int
    rule: str
    fired: int = 0  # the bin in which it was noticed
    cause: str = ""

    def covers(self, start: int) -> bool:
        """Whether the bin at `start` lies in it."""
        return self.since <= start and (self.until is None or start < self.until)


@dataclass
class Models:
    """Which models scored the posts, and when each was last seen."""

    last: dict[str, int] = field(default_factory=dict)  # name → start of the last bin with a post of its

    def take(self, start: int, bins: Sequence[Bin]) -> tuple[list[str], list[str]]:
        """The models that are new in this bin and those that were in use before it; nothing is new where nothing was in use.

        In use is what scored a post within a day before the newest post so far. Bins that don't name their models say nothing.
        """
        newest = max(self.last.values(), default=start)
        before = sorted(name for name, seen in self.last.items() if seen > newest - RELEARN)
        names = sorted({name for item in bins for name in item.models})
        self.last = {name: self.last[name] for name in before} | dict.fromkeys(names, start)
        return ([name for name in names if name not in before] if before else []), before
