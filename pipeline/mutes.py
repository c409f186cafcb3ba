"""Topics nobody wants to hear of for a while: their incidents are found, kept and shown, and sent to nobody."""

from __future__ import annotations

import orjson

from pipeline.ports import Store

STATE = "mutes"  # the name under which the store keeps {topic: end in ms since 1970}


def mutes(store: Store, now: int) -> dict[str, int]:
    """The muted topics and when each may be heard again, in ms since 1970; what is over is left out."""
    return _open(store.state(STATE), now)


def mute(store: Store, topic: str, until: int, now: int) -> None:
    """Mute a topic until a moment, in ms since 1970; one that is not after `now` ends the mute."""
    added = {topic: until} if until > now else {}
    store.revise_state(STATE, lambda saved: orjson.dumps({name: end for name, end in _open(saved, now).items() if name != topic} | added))


def _open(saved: bytes | None, now: int) -> dict[str, int]:
    found: dict[str, int] = orjson.loads(saved) if saved else {}
    return {topic: until for topic, until in found.items() if until > now}
