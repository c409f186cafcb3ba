"""What people do about an incident: acknowledge it, snooze it. Kept beside the incident, whose figures and states are the detector's alone.

Acts of one incident are one saved state of the store; of two people who act in the same instant neither is lost.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import orjson

from pipeline.errors import InputError
from pipeline.ports import Store
from pipeline.records import DAY, Incident, from_ms

LONGEST_SNOOZE = 30 * DAY
MOST_ACTS = 200  # of one incident; the oldest go
MOST_CHARS = 500  # of a note; 80 of a name
SNOOZED = "acts:snoozed"  # the name under which the store keeps {incident: end in ms since 1970}


@dataclass(frozen=True, slots=True)
class Act:
    """One thing that was done: `acknowledged`, `snoozed`, `woken` (by hand or at the snooze's end), `untold` (a message was not sent)."""

    what: str
    at: int  # ms since 1970, by the clock of who did it
    until: int | None = None  # of a snooze
    by: str = ""
    note: str = ""


def acts(store: Store, incident: str) -> list[Act]:
    """What was done about an incident, by its whole id, in order."""
    return _read(store.state(_name(incident)))


def acknowledge(store: Store, incident: Incident, now: int, by: str = "", note: str = "") -> Act:
    """Somebody takes care of it."""
    return record(store, incident.id, Act("acknowledged", now, None, by, note))


def snooze(store: Store, incident: Incident, until: int, now: int, by: str = "", note: str = "") -> Act:
    """No message about it until a moment; if it is still open then, one that says where it stands. InputError for a closed one."""
    if incident.state == "closed":
        raise InputError(f"incident {incident.id} is closed; there is nothing to snooze")
    if not now < until <= now + LONGEST_SNOOZE:
        raise InputError(f"a snooze ends after now and within {LONGEST_SNOOZE // DAY} days")
    done = record(store, incident.id, Act("snoozed", now, until, by, note))
    store.revise_state(SNOOZED, lambda saved: orjson.dumps({**_ends(saved), incident.id: until}))
    return done


def wake(store: Store, incident: str, now: int, by: str = "") -> Act | None:
    """The snooze of an incident ends; None if there was none."""
    if incident not in snoozes(store):
        return None
    store.revise_state(SNOOZED, lambda saved: orjson.dumps({name: end for name, end in _ends(saved).items() if name != incident}))
    return record(store, incident, Act("woken", now, None, by))


def snoozes(store: Store) -> dict[str, int]:
    """Snoozed incidents and when each snooze ends; one that is over stays until it is woken."""
    return _ends(store.state(SNOOZED))


def record(store: Store, incident: str, done: Act) -> Act:
    """Add an act. InputError for a name or note that is too long."""
    if len(done.by) > 80 or len(done.note) > MOST_CHARS:
        raise InputError(f"a name has at most 80 characters, a note at most {MOST_CHARS}")
    store.revise_state(_name(incident), lambda saved: orjson.dumps([asdict(one) for one in [*_read(saved), done][-MOST_ACTS:]]))
    return done


def to_json(done: Act) -> dict[str, str | None]:
    """An act as JSON: times as RFC 3339."""
    return {
        "what": done.what,
        "at": from_ms(done.at),
        "until": from_ms(done.until) if done.until else None,
        "by": done.by,
        "note": done.note,
    }


def _name(incident: str) -> str:
    return f"acts:{incident}"


def _read(saved: bytes | None) -> list[Act]:
    return [Act(**one) for one in orjson.loads(saved)] if saved else []


def _ends(saved: bytes | None) -> dict[str, int]:
    found: dict[str, int] = orjson.loads(saved) if saved else {}
    return found
