"""All stories of a stretch of bins, told afterwards: what the walk of pipeline/crossings.py says from the first bin to the last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.crossings import Moved, Opened, Risen, StoryEvent
from pipeline.incidents import Alarm
from pipeline.records import Bin, Severity

Key = tuple[str, int, str]  # topic, onset, rule


@dataclass
class Told:
    """One story: its alarm, the end of the bin that closed it, and whether it became one of volume too."""

    alarm: Alarm
    closed: int | None = None
    escalated: bool = False

    @property
    def severity(self) -> Severity:
        """As it was in the end."""
        return "incident" if self.escalated and self.alarm.severity == "tone" else self.alarm.severity


class Teller:
    """Gathers stories from the events of a walk."""

    def __init__(self) -> None:
        self._stories: dict[Key, Told] = {}

    def take(self, events: Sequence[StoryEvent]) -> None:
        """What one bin brought."""
        for event in events:
            if isinstance(event, Opened):
                self._stories[event.alarm.topic, event.alarm.onset, event.alarm.rule] = Told(event.alarm)
            elif isinstance(event, Risen):
                self._stories[event.topic, event.onset, event.rule].escalated = True
            elif isinstance(event, Moved) and event.state == "closed":
                self._stories[event.topic, event.onset, event.rule].closed = event.at

    @property
    def stories(self) -> list[Told]:
        """In the order of their firing."""
        return list(self._stories.values())


def windows(stories: Sequence[Told], bins: Sequence[Bin]) -> list[list[Bin]]:
    """The bins of each story from its onset to the bin that fired; of all its topics, if it is one of the pipeline."""
    by_topic: dict[str, list[Bin]] = {}
    for item in bins:
        by_topic.setdefault(item.topic, []).append(item)

    def window(alarm: Alarm) -> list[Bin]:
        names = alarm.topics or (alarm.topic,)
        return [item for name in names for item in by_topic.get(name, ()) if alarm.onset <= item.start <= alarm.fired]

    return [window(story.alarm) for story in stories]
