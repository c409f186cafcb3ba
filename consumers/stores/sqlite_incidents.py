"""Incidents, their messages on the way out, dead letters and saved states."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from sqlite3 import Connection

import orjson

from pipeline.errors import NotFoundError
from pipeline.letters import holds
from pipeline.records import Incident, Notification, Rejected, incident_from_json, to_json

_MESSAGE = "id, incident, transition, receiver, subject, body, created_at"


def save(connection: Connection, incident: Incident, messages: Sequence[Notification]) -> None:
    """Replace the incident and queue its messages; one whose id was ever queued stays as it is."""
    record = orjson.dumps(to_json(incident)).decode()
    connection.execute(
        """INSERT INTO incidents VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET
           topic = excluded.topic, onset = excluded.onset, open = excluded.open, record = excluded.record""",
        (incident.id, incident.topic, incident.onset, incident.state != "closed", record),
    )
    connection.executemany(
        f"INSERT OR IGNORE INTO outbox ({_MESSAGE}, due) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [(m.id, m.incident, m.transition, m.receiver, m.subject, m.body, m.created_at, m.created_at) for m in messages],
    )


def incident(connection: Connection, incident_id: str) -> Incident:
    """By id, or by the beginning of one if it is the only such."""
    rows = connection.execute(
        "SELECT id, record FROM incidents WHERE substr(id, 1, length(?1)) = ?1 AND ?1 <> '' ORDER BY id LIMIT 11", (incident_id,)
    ).fetchall()
    exact = [row for row in rows if row[0] == incident_id] or rows
    if len(exact) == 1:
        return _incident(exact[0][1])
    if rows:
        raise NotFoundError(f"{incident_id!r} is the beginning of several incidents: {', '.join(name for name, _ in rows)}")
    known = [name for (name,) in connection.execute("SELECT id FROM incidents ORDER BY onset DESC LIMIT 1000")]
    raise NotFoundError.of("incident", incident_id, known)


def incidents(connection: Connection, topic: str | None, open_only: bool, limit: int) -> list[Incident]:
    """Newest onset first."""
    rows = connection.execute(
        "SELECT record FROM incidents WHERE (?1 IS NULL OR topic = ?1) AND (open OR NOT ?2) ORDER BY onset DESC, id LIMIT ?3",
        (topic, open_only, limit),
    )
    return [_incident(record) for (record,) in rows]


def _incident(record: str) -> Incident:
    return incident_from_json(orjson.loads(record))


def pending(connection: Connection, now: int, limit: int) -> list[Notification]:
    """Messages that are due, oldest first."""
    rows = connection.execute(
        f"SELECT {_MESSAGE} FROM outbox WHERE delivered_at IS NULL AND due <= ? ORDER BY created_at, id LIMIT ?", (now, limit)
    )
    return [Notification(*row) for row in rows]


def delivered(connection: Connection, message_id: str, at: int) -> None:
    """Take a message off the queue: its id stays, so it is never queued again; its words, which may quote a post, don't."""
    query = "UPDATE outbox SET delivered_at = ?, error = NULL, subject = '', body = '' WHERE id = ?"
    connection.execute(query, (at, message_id))


def failed(connection: Connection, message_id: str, error: str, retry_at: int) -> None:
    """Put a message off."""
    connection.execute("UPDATE outbox SET attempts = attempts + 1, error = ?, due = ? WHERE id = ?", (error, retry_at, message_id))


def attempts(connection: Connection, message_id: str) -> int:
    """How often a message has failed."""
    row = connection.execute("SELECT attempts FROM outbox WHERE id = ?", (message_id,)).fetchone()
    return int(row[0]) if row else 0


def state(connection: Connection, name: str) -> bytes | None:
    """A saved state."""
    row = connection.execute("SELECT data FROM state WHERE name = ?", (name,)).fetchone()
    return bytes(row[0]) if row else None


def save_state(connection: Connection, name: str, data: bytes) -> None:
    """Replace a saved state."""
    connection.execute("INSERT INTO state VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET data = excluded.data", (name, data))


def reject(connection: Connection, rejected: Sequence[Rejected]) -> None:
    """Keep dead letters, one per place and bytes."""
    connection.executemany(
        "INSERT OR IGNORE INTO dead_letters (identity, place, reason, raw, at) VALUES (?, ?, ?, ?, ?)",
        [(_letter_hash(letter), letter.where, letter.reason, letter.raw, letter.at) for letter in rejected],
    )


def _letter_hash(letter: Rejected) -> bytes:
    place = letter.where.encode()
    return hashlib.blake2b(len(place).to_bytes(8, "little") + place + letter.raw, digest_size=16).digest()


def dead_letters(connection: Connection, limit: int) -> list[Rejected]:
    """The newest first."""
    rows = connection.execute("SELECT reason, raw, place, at FROM dead_letters ORDER BY letter DESC LIMIT ?", (limit,))
    return [Rejected(*row) for row in rows]


def count_dead_letters(connection: Connection) -> int:
    """How many there are."""
    return int(connection.execute("SELECT COUNT(*) FROM dead_letters").fetchone()[0])


def purge_dead_letters(connection: Connection) -> int:
    """Forget them all; how many there were."""
    return connection.execute("DELETE FROM dead_letters").rowcount


def erase_dead_letters(connection: Connection, identities: Collection[str]) -> None:
    """Forget those that hold one of these posts; costs a look at every letter."""
    rows = connection.execute("SELECT letter, raw FROM dead_letters")
    connection.executemany("DELETE FROM dead_letters WHERE letter = ?", [(letter,) for letter, raw in rows if holds(raw, identities)])
