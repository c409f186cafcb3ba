"""States of a story from bins alone."""

from __future__ import annotations

from pipeline.lifecycle import QUIET_FOR, Story, opened, step
from pipeline.records import BIN


def run(story: Story, bins: list[tuple[bool, float]]) -> list[str]:
    states: list[str] = []
    for index, (active, excess) in enumerate(bins):
        story = step(story, index * BIN, active, excess)
        states.append(story.state)
    return states


def test_a_story_grows_peaks_and_ends() -> None:
    """Half as much again is growing, less than 70 % of the largest is past the peak, then quiet, and closed two hours later."""
    quiet = QUIET_FOR // BIN
    states = run(opened(10), [(True, 12), (True, 16), (True, 15), (True, 10), (False, 1), *[(False, 0.0)] * quiet])
    assert ["open", "growing", "growing", "peak", "quiet"] == states[:5]
    assert ["quiet"] * (quiet - 1) + ["closed"] == states[5:]


def test_a_story_that_returns_is_open_again() -> None:
    """Active bins within the two quiet hours open the same story again."""
    assert ["quiet", "quiet", "open", "quiet"] == run(opened(10), [(False, 0), (False, 0), (True, 8), (False, 0)])


def test_a_closed_story_stays_closed() -> None:
    """Nothing opens a story that is over."""
    assert ["closed"] == run(Story("closed", 3.0, 3.0), [(True, 99)])


def test_noise_is_no_growth() -> None:
    """A fraction of a post more than nothing is not growing."""
    assert ["open"] == run(opened(0), [(True, 0.9)])
