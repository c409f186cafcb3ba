"""The states of a story, from closed bins alone: open → growing → peak → quiet → closed, and back to open if it returns."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pipeline.records import BIN, HOUR, Incident, State

QUIET_FOR = 2 * HOUR  # quiet this long is closed; a spike within it is the same story
GREW = 1.5  # times the mark; a smaller rise is noise
FELL = 0.7

ACTIVE: frozenset[str] = frozenset({"open", "growing", "peak"})


@dataclass(frozen=True, slots=True)
class Story:
    """Where a story stands, by its excess of negatives in fifteen minutes."""

    state: State
    largest: float
    mark: float  # what it must outgrow: the excess at the opening, or when it was last said to grow
    quiet_since: int | None = None


def opened(excess: float) -> Story:
    """A story at the bin that made it fire."""
    return Story("open", max(excess, 0.0), max(excess, 0.0))


def step(story: Story, start: int, active: bool, excess: float) -> Story:
    """The story after the bin at `start`.

    `active`: the detector still sees it; `excess`: negatives of the last 15 minutes beyond the expected ones.
    """
    if story.state == "closed":
        return story
    if not active:
        return _quieten(story, start)
    if story.quiet_since is not None:
        return opened(excess)
    if excess > GREW * story.mark and excess >= 1:
        return Story("growing", max(excess, story.largest), excess)
    if story.state == "growing" and excess < FELL * story.largest:
        return replace(story, state="peak")
    return replace(story, largest=max(story.largest, excess))


def _quieten(story: Story, start: int) -> Story:
    if story.quiet_since is None:
        return Story("quiet", story.largest, story.mark, start)
    if start - story.quiet_since >= QUIET_FOR:
        return replace(story, state="closed")
    return story


def enter(incident: Incident, state: State, at: int) -> Incident:
    """The incident in a new state from `at` (event time) on; unchanged if it is in that state."""
    if incident.state == state:
        return incident
    closed = at if state == "closed" else None
    return replace(incident, state=state, closed=closed, timeline=(*incident.timeline, (state, at)))


def overlaps(incident: Incident, onset: int, fired: int) -> bool:
    """Whether a crossing with this onset and firing bin belongs to the incident's story; a story goes on for two quiet hours."""
    begins_before_it_ends = incident.closed is None or onset < incident.closed
    return begins_before_it_ends and incident.onset < fired + BIN + QUIET_FOR
