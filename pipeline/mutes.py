"""Topics nobody wants to hear of for a while: their incidents are found, kept and shown, and sent to nobody."""

from __future__ import annotations

import orjson

from pipeline.ports import Store

STATE = "mutes"  # the name under which the store keeps {topic: end in ms since 1970}


def mutes(store: Store, now: int) -> dict[str, int]:
    """The muted topics and when each may be heard again, in ms since 1970; what is over is left out."""
    saved = store.state(STATE)
    found: dict[str, int] = orjson.loads(saved) if saved else {}
    return {topic: until for topic, until in found.items() if until > now}


def mute(store: Store, topic: str, until: int, now: int) -> None:
    """Mute a topic until a moment, in ms since 1970; one that is not after `now` ends the mute."""
    found = {**mutes(store, now), topic: until}
    store.save_state(STATE, orjson.dumps({name: end for name, end in found.items() if end > now}))
